# What holds a pod's network: a process that waits. In place of the image that Kubernetes would pull.
FROM scratch
COPY busybox /busybox
ENTRYPOINT ["/busybox", "sleep", "2147483647"]
