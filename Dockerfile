# A small image: the static binary and nothing else. `docker build -t aurelius-sim .`
#
# With `--build-arg FEATURES=cloud` sweeps write to s3://, gs:// and az:// as well.
FROM rust:1.95-alpine AS build
ARG FEATURES=""
RUN apk add --no-cache musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
COPY benches ./benches
COPY profiles ./profiles
COPY scenarios ./scenarios
COPY assets ./assets
COPY docs ./docs
RUN cargo build --release --locked --bin aurelius-sim --features "$FEATURES"

FROM scratch
COPY --from=build /src/target/release/aurelius-sim /aurelius-sim
# No name service is in the image: the user is a number, as `runAsNonRoot` wants it.
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/aurelius-sim"]
