# syntax=docker/dockerfile:1
# Airflow with this project in it. A first stage compiles; the image that runs has no compiler.
ARG AIRFLOW_IMAGE=apache/airflow:3.3.2-python3.12

FROM ${AIRFLOW_IMAGE} AS wheels
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libc6-dev \
    && rm -rf /var/lib/apt/lists/*
USER airflow
WORKDIR /tmp/project
COPY --chown=airflow:0 docker/constraints.py requirements.txt ./
RUN mkdir /tmp/wheels \
    && python constraints.py "${HOME}/constraints.txt" requirements.txt > /tmp/wheels/constraints.txt
# Left to themselves, both compile for the very CPU that builds them; this image must run on others.
# Annoy is always compiled, LightFM where no wheel of it fits: on ARM.
ENV ANNOY_COMPILER_ARGS=-O3,-ffast-math,-fno-associative-math,-fpermissive,-std=c++14,-DANNOYLIB_MULTITHREADED_BUILD \
    LIGHTFM_NO_CFLAGS=1
RUN pip wheel --no-cache-dir --no-deps --constraint /tmp/wheels/constraints.txt \
    --wheel-dir /tmp/wheels annoy lightfm-next
COPY --chown=airflow:0 pyproject.toml README.md ./
COPY --chown=airflow:0 recsys_tasks recsys_tasks
COPY --chown=airflow:0 plugins plugins
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /tmp/wheels .

FROM ${AIRFLOW_IMAGE}
LABEL org.opencontainers.image.title="recsys-airflow" \
      org.opencontainers.image.description="Airflow with a DAG that trains and publishes a recommender"
USER root
# The fit and numba's kernels run on OpenMP.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
USER airflow
# Airflow is named with its version so that nothing here can move it.
RUN --mount=type=bind,from=wheels,source=/tmp/wheels,target=/tmp/wheels \
    pip install --no-cache-dir \
        --find-links /tmp/wheels --constraint /tmp/wheels/constraints.txt \
        "apache-airflow==${AIRFLOW_VERSION}" apache-airflow-providers-fab apache-airflow-providers-postgres \
        apache-airflow-providers-celery redis \
        "$(echo /tmp/wheels/recsys_tasks-*.whl)[train]" \
    && python -c "import airflow.providers.celery.executors.celery_executor, redis, airflow.providers.fab, alembic, annoy, lightfm, matplotlib, numba, psycopg2, recsys_tasks"
# What a manifest calls the code's revision; without it, the installed version.
ARG RECSYS_REVISION=""
ENV RECSYS_REVISION=${RECSYS_REVISION}
COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 plugins/recsys_airflow/airflow_local_settings.py /opt/airflow/config/
