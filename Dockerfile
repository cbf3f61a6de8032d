# cairn in a container: docs/containers.md says how to build it, run it and keep it.
#
#   docker build -t cairn:0.1.0 .                              with the models baked in: nothing is fetched later
#   docker build -t cairn:0.1.0 --build-arg WITH_MODELS=0 .    without: mount a models folder at /models
#
# The root file system may be read-only: cairn writes to /data alone, and a little to /tmp.
ARG WITH_MODELS=1

# The compiler that rust-toolchain.toml names. That file itself stays outside, or rustup would fetch lints and formatter
# that nobody runs here. Debian's release is that of the last stage, so that the binary finds its C library there.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY config config
COPY models models
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin cairn \
    && install -D target/release/cairn /out/cairn

# Neither of these two knows the binary, so that a change of the source fetches nothing again.
FROM debian:bookworm-slim AS models-0
RUN mkdir /models

FROM debian:bookworm-slim AS models-1
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates npm python3 python3-pip unzip \
    && rm -rf /var/lib/apt/lists/*
COPY scripts/fetch scripts/onnxruntime.txt scripts/pdfium.txt /src/scripts/
RUN CAIRN__MODELS__DIR=/models /src/scripts/fetch && chmod -R a+rX /models

FROM models-${WITH_MODELS} AS models

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="cairn" \
    org.opencontainers.image.description="Self-hosted question answering: every sentence cited, or no answer" \
    org.opencontainers.image.licenses="Apache-2.0"
# Certificates for a chat endpoint with TLS; the C++ library for ONNX Runtime. The health check needs bash, which every
# Debian has.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 cairn \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin cairn \
    && install -d -o 10001 -g 10001 /data
COPY LICENSE /usr/share/doc/cairn/LICENSE
COPY --from=models --chown=10001:10001 /models /models
COPY --from=build /out/cairn /usr/local/bin/cairn

# A container is reached from outside itself, so cairn listens on every address of it. Without any key it then refuses
# to start: make one first (`keys create`), or say that strangers may ask (server.allow_anonymous).
ENV CAIRN__DATA__DIR=/data \
    CAIRN__MODELS__DIR=/models \
    CAIRN__SERVER__LISTEN=0.0.0.0:8080 \
    ORT_DISABLE_TELEMETRY=1
# By number, so that an orchestrator can see that it is not root. A new volume at /data belongs to this user, as the
# folder in the image does.
USER 10001:10001
VOLUME ["/data"]
# A cairn.toml that is mounted here is read.
WORKDIR /etc/cairn
EXPOSE 8080
# bash speaks TCP itself, so no curl is needed. The port is the one that the environment names.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${CAIRN__SERVER__LISTEN##*:} && printf 'GET /readyz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["cairn"]
CMD ["serve"]
