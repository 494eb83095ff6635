# Every name of a tool is the same program, by hard links: an empty image has no shell that could make them.
FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
USER 65532:65532
