"""Options that note which of them are read."""

import copy


class Recorded(dict):
    """A mapping of options, at any depth, that adds the place of each option that is read to ``reads``.

    A key that is asked for counts, whether it is there or not, and so do all that ``**`` hands over. Passing over all items does not, as
    whatever writes or hashes the options does that.
    """

    def __init__(self, options: dict, reads: set[tuple[str, ...]], place: tuple[str, ...]):
        wrapped = {
            key: Recorded(dict(value.items()), reads, (*place, str(key))) if isinstance(value, dict) else value
            for key, value in options.items()
        }
        super().__init__(wrapped)
        self.reads, self.place = reads, place

    def _note(self, key) -> None:
        self.reads.add((*self.place, str(key)))

    def __getitem__(self, key):
        self._note(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        self._note(key)
        return super().__contains__(key)

    def get(self, key, default=None):
        self._note(key)
        return super().get(key, default)

    def __iter__(self):  # so that ** asks for each key
        return super().__iter__()

    def __or__(self, changes: dict) -> "Recorded":
        return Recorded(dict(self.items()) | dict(changes.items()), self.reads, self.place)

    def __deepcopy__(self, memo: dict) -> "Recorded":
        return Recorded(copy.deepcopy(dict(self.items()), memo), self.reads, self.place)
