# The base of our images where no registry is at hand: Debian's own packages, unpacked by mmdebstrap.
FROM scratch
ADD base.tar /
CMD ["/bin/bash"]
