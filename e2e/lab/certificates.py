"""A certificate authority for one run: server and client certificates, the service account key, kubeconfigs."""

import json

from lab.processes import command

NO_EXTENSIONS = "[req]\ndistinguished_name = name\n[name]\n"
DAYS = "30"


class Certificates:
    """Files in one directory, created with openssl; existing ones are reused."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / "openssl.cnf").write_text(NO_EXTENSIONS)
        self._make("ca", "/CN=firesteel-e2e", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
        if not self.account_public_key.exists():
            command("openssl", "genrsa", "-out", self.account_key, "2048")
            command("openssl", "rsa", "-in", self.account_key, "-pubout", "-out", self.account_public_key)

    @property
    def authority(self):
        return self.directory / "ca.crt"

    @property
    def account_key(self):
        """The private key for signing service account tokens."""
        return self.directory / "accounts.key"

    @property
    def account_public_key(self):
        return self.directory / "accounts.pub"

    def server(self, name, hosts):
        """Creates a server certificate for these names and addresses; returns the paths of certificate and key."""
        return self._signed(name, f"/CN={name}", "serverAuth", hosts)

    def client(self, user, group=None, hosts=()):
        """Creates a client certificate for `user` in `group`, with `hosts` also valid for a server; returns the paths of certificate and key."""
        usage = "clientAuth,serverAuth" if hosts else "clientAuth"
        return self._signed(user.replace(":", "-"), (f"/O={group}" if group else "") + f"/CN={user}", usage, hosts)

    def kubeconfig(self, server, user, group=None):
        """Creates a kubeconfig for `user` and returns its path."""
        certificate, key = self.client(user, group)
        path = certificate.with_suffix(".kubeconfig")
        write_kubeconfig(path, server, self.authority, {"client-certificate": str(certificate), "client-key": str(key)})
        return path

    def _signed(self, name, subject, usage, hosts):
        extensions = [f"extendedKeyUsage={usage}"]
        if hosts:
            names = ((f"IP:{host}" if host[0].isdigit() else f"DNS:{host}") for host in hosts)
            extensions.append(f"subjectAltName={','.join(names)}")
        signer = ["-CA", self.directory / "ca.crt", "-CAkey", self.directory / "ca.key"]
        return self._make(name, subject, *extensions, signer=signer)

    def _make(self, name, subject, *extensions, signer=()):
        key, certificate = self.directory / f"{name}.key", self.directory / f"{name}.crt"
        if certificate.exists():
            return certificate, key
        added = [part for extension in extensions for part in ("-addext", extension)]
        command(
            *["openssl", "req", "-x509", "-config", self.directory / "openssl.cnf", "-days", DAYS, "-sha256", "-nodes"],
            *["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", key, "-out", certificate],
            *["-subj", subject, *added, *signer],
        )
        return certificate, key


def write_kubeconfig(path, server, authority, user):
    """Writes a kubeconfig with one context, as JSON, which is valid YAML."""
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "e2e",
                "clusters": [{"name": "e2e", "cluster": {"server": server, "certificate-authority": str(authority)}}],
                "users": [{"name": "e2e", "user": user}],
                "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
            },
            indent=1,
        )
    )
