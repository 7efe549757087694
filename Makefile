# The two commands of the README. Both do their own set-up on a Debian machine with a Rust toolchain, as root.
FIXTURES := target/fixtures
export LAPSTRAKE_FIXTURES := $(CURDIR)/$(FIXTURES)

.PHONY: demo test lint doc install base-images test-packages build-packages

build-packages:
	@fixtures/packages.sh build

test-packages: build-packages
	@fixtures/packages.sh test

base-images: build-packages
	@fixtures/base-images.sh $(FIXTURES)

# Builds two of the fixture projects, prints how long each took, and runs the images. Again: everything is cached.
demo: build-packages
	cargo build --release --locked --package cli
	@fixtures/base-images.sh $(FIXTURES) busybox debian
	@fixtures/demo.sh $(FIXTURES)

test: test-packages base-images
	cargo test --workspace --locked

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

install:
	cargo install --locked --path cli
