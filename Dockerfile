# Two images, `server` and `operator`: one static program each and the certificates of the public authorities, nothing
# else. There is no shell and no /tmp: they run with a read-only root, what they write goes to volumes.
# `make image` builds the final stages from programs that it has compiled, as --build-context build=FOLDER.
FROM rust:1-bookworm AS build
WORKDIR /source
COPY . .
RUN e2e/image.sh programs release /

FROM scratch AS server
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="Mainstay" \
      org.opencontainers.image.description="The API server: typed Collections as a production REST API" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /server/ /
# Where OpenSSL, compiled in, looks for certificates.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/mainstay"]

FROM scratch AS operator
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="Mainstay operator" \
      org.opencontainers.image.description="Runs Mainstay backends on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /operator/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/mainstay-operator"]
