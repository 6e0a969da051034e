# The pins of requirements.txt: docker build -t encoder-compression . && docker run -v "$PWD/results:/study/results" encoder-compression --cores all
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
WORKDIR /study
COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
ENTRYPOINT ["snakemake"]
CMD ["--cores", "all"]
