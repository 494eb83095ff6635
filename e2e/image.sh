#!/usr/bin/env bash
# The container images.
#   e2e/image.sh program PROFILE PACKAGE PROGRAM   compiles a static program, into $CARGO_TARGET_DIR
#   e2e/image.sh programs PROFILE FOLDER   compiles the static programs and lays out what each image holds
#   e2e/image.sh archives PROFILE TAG      the same, then builds both images into $CARGO_TARGET_DIR/image/PROFILE
# PROFILE is release, or dev for tests: that compiles nothing but the two programs once more, for only the last link is static.
set -euo pipefail
cd "$(dirname "$0")/.."

limit=$((30 * 1000 * 1000))

# A static program relocates itself as it starts: written down in full, those relocations take 1.4 MB.
program() {
  cargo rustc --locked --profile "$1" --package "$2" --bin "$3" -- -C target-feature=+crt-static -C strip=symbols \
    -C link-arg=-Wl,-z,pack-relative-relocs
}

programs() {
  local profile=$1 folder=$2 target=${CARGO_TARGET_DIR:-target} built package program
  built=$target/${profile/#dev/debug}
  for image in server:mainstay:mainstay operator:mainstay-operator:mainstay-operator; do
    IFS=: read -r image package program <<<"$image"
    program "$profile" "$package" "$program"
    rm -rf "${folder:?}/$image"
    install -D "$built/$program" "$folder/$image/$program"
    install -D --mode 644 /etc/ssl/certs/ca-certificates.crt "$folder/$image/etc/ssl/certs/ca-certificates.crt"
    if [ "$profile" = release ] && [ "$(du --bytes --summarize "$folder/$image" | cut -f1)" -ge "$limit" ]; then
      echo "the image $image is over $((limit / 1000000)) MB: $(du --bytes -a "$folder/$image")" >&2
      exit 1
    fi
  done
}

archives() {
  local profile=$1 tag=$2 folder=$CARGO_TARGET_DIR/image/$1 version
  programs "$profile" "$folder"
  version=$(cargo pkgid --package mainstay | sed 's/.*[#@]//')
  storage=$(mktemp -d)
  trap 'rm -rf "$storage"' EXIT
  store() { buildah --storage-driver vfs --root "$storage/root" --runroot "$storage/run" "$@"; }
  for image in server operator; do
    store bud --quiet --isolation chroot --target "$image" --build-context "build=$folder" \
      --build-arg "VERSION=$version" --tag "kubelab.local/mainstay-$image:$tag" --file Dockerfile "$folder" >/dev/null
    rm -f "$folder/$image.tar"
    store push --quiet "kubelab.local/mainstay-$image:$tag" "oci-archive:$folder/$image.tar:kubelab.local/mainstay-$image:$tag"
    echo "$folder/$image.tar"
  done
}

case "${1:-} $#" in
  'program 4' | 'programs 3' | 'archives 3') "$@" ;;
  *) sed -n '2,6s/^# \?//p' "$0" >&2; exit 64 ;;
esac
