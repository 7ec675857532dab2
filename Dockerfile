# The image: one binary on glibc, about 190 MB, no package manager's leavings, not root.
#
#   docker build --build-arg COMMIT=$(git rev-parse --short=12 HEAD) -t sms-proxy .
#   docker run --rm -v sms-proxy:/data sms-proxy init              # then edit /data/sms-proxy.yaml
#   docker run -d --stop-timeout 20 -v sms-proxy:/data -p 8088:8088 -e ADMIN_API_KEY sms-proxy
#
# --stop-timeout: Docker kills after 10 s, which is what requests in flight may take by themselves (shutdown_timeout), before
# what the SMSC has not answered (response_timeout, 5 s) has its outcome stored.
# A configuration may also be mounted at /etc/sms-proxy/sms-proxy.yaml; let its db_path and license.file lie
# under /data then, which is all that the server writes to.

FROM node:22-bookworm-slim AS build
WORKDIR /src
# What changes seldom comes first, so that a change of the source installs nothing anew.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
ARG COMMIT=unknown
RUN BUILD_COMMIT="$COMMIT" npm run build

# Debian's slim image and not distroless: as small where it counts (the binary is the larger part), patched by
# the same people, and an operator in trouble finds a shell. Not Alpine: the binary needs glibc.
# Certificates and time zones are in the binary.
FROM debian:bookworm-slim
RUN groupadd --gid 10001 sms-proxy \
 && useradd --uid 10001 --gid sms-proxy --home-dir /data --no-create-home --shell /usr/sbin/nologin sms-proxy \
 && install -d -o sms-proxy -g sms-proxy -m 0700 /data
COPY --from=build /src/dist/sms-proxy /usr/local/bin/sms-proxy
# What a server otherwise sets by beginning anew (src/cli/allocator.ts).
ENV MIMALLOC_PURGE_HOLES=0 MIMALLOC_PURGE_DELAY=1000
# By number, so that a cluster that forbids root can see that it is none.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8088
# Reads the same configuration as the server, its port and TLS included.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["sms-proxy", "health"]
ENTRYPOINT ["sms-proxy"]
CMD ["serve"]
