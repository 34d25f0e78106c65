# The bridge as a container: non-root, read-only root filesystem, config and data as volumes.
#   docker run --read-only --tmpfs /tmp -v ./config:/config:ro -v bridge-data:/data -p 443:443 IMAGE
# Partners are served on 443 in production, on 8443 in test; partner_listener.port says otherwise.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/bridge
COPY requirements.lock pyproject.toml README.md ./
RUN /opt/bridge/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.lock
COPY bridge ./bridge
RUN /opt/bridge/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --no-create-home bridge && install -d -o bridge -g bridge /data
COPY --from=build /opt/bridge /opt/bridge
COPY mappings /opt/bridge/mappings
ENV PATH=/opt/bridge/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER bridge
VOLUME ["/config", "/data"]
EXPOSE 443 8443
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["bridge", "health", "--config", "/config/bridge.toml"]
ENTRYPOINT ["bridge"]
CMD ["serve", "--config", "/config/bridge.toml"]
