"""Questions in the JSON form of SQuAD v1.1 and v2.0 (Rajpurkar et al. 2016, 2018) as records of one question each."""

TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}


def is_of_squad(articles: list) -> bool:
    """Say whether these are articles with paragraphs, and not records of another kind."""
    return any(isinstance(article, dict) and "paragraphs" in article for article in articles)


def questions(articles: list[dict]) -> list[dict]:
    """Return id, context, question and answers of each question, and the title of the article where there are titles.

    Raises ValueError where the articles are not in SQuAD's form.
    """
    try:
        return [
            {name: article[name] for name in ("title",) if name in article}
            | {"id": question["id"], "context": paragraph["context"], **_question(question)}
            for article in articles
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not in SQuAD's form (data, paragraphs, qas), {error} is missing") from None


def _question(question: dict) -> dict:
    answers = [] if _is_true(question.get("is_impossible")) else question["answers"]
    return {"question": question["question"], "answers": answers}


def _is_true(value: bool | str | int | None) -> bool:
    """Return what a flag says, also where it was written as a text."""
    flag = str(value).strip().lower()
    if flag not in TRUTHS:
        raise ValueError(f"is_impossible is {value!r}; write true or false")
    return TRUTHS[flag]
