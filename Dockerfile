# One file, three images: operator, service (every process the operator renders), simulator.
# Build one with `--target NAME`. Each holds the same wheel and only the libraries of its own extras, from uv.lock.
ARG PYTHON=docker.io/library/python:3.13-slim

FROM ${PYTHON} AS build
# PyPI's uv, so that the build needs no registry beside the base image's.
RUN pip install --no-cache-dir --disable-pip-version-check "uv>=0.8,<1"
# Bytecode is made here: the root file system of a running container is read-only.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_NO_PROGRESS=1 \
    UV_PYTHON_DOWNLOADS=never \
    UV_PYTHON_PREFERENCE=only-system \
    UV_PROJECT_ENVIRONMENT=/opt/touchline
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
# Libraries first: they change less often than the source, so their layers are reused.
FROM build AS operator-build
RUN uv sync --locked --no-default-groups --no-install-project --extra operator
COPY . .
RUN uv sync --locked --no-default-groups --no-editable --extra operator

FROM build AS service-build
RUN uv sync --locked --no-default-groups --no-install-project --extra service --extra exchange --extra ledger
COPY . .
RUN uv sync --locked --no-default-groups --no-editable --extra service --extra exchange --extra ledger

FROM build AS simulator-build
RUN uv sync --locked --no-default-groups --no-install-project --extra simulator
COPY . .
RUN uv sync --locked --no-default-groups --no-editable --extra simulator

FROM ${PYTHON} AS runtime
ENV PATH=/opt/touchline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
# A number, not a name: Kubernetes can prove `runAsNonRoot` of a number only.
USER 65532:65532

FROM runtime AS operator
COPY --from=operator-build /opt/touchline /opt/touchline
CMD ["python", "-m", "touchline_operator.operator_main", "--config", "/etc/touchline/config.json"]

FROM runtime AS simulator
COPY --from=simulator-build /opt/touchline /opt/touchline
CMD ["python", "-m", "services.simulator", "--help"]

# The last target is what a build without --target makes; the operator gives the command of each process.
FROM runtime AS service
COPY --from=service-build /opt/touchline /opt/touchline
CMD ["python", "--version"]
