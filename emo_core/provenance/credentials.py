"""Signed content credentials (C2PA) in a video file: who signed that a model made it, and from what.

Needs the optional package c2pa-python, which brings cryptography. Nothing here uses the network.
"""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .statement import SOURCE_TYPE, Statement

ASSERTION = "org.emo-for-comfyui.generation"
TRIAL = "self-signed"
TRIAL_DAYS = 365


class CredentialsError(ValueError):
    """Credentials cannot be written or read; the message says why and what to do."""


@dataclass(frozen=True)
class Identity:
    """Who signs: a certificate chain and its private key, PEM files."""

    certificates: Path
    key: Path


@dataclass(frozen=True)
class Credentials:
    """What a file's credentials say, as the C2PA library reads them."""

    state: str
    """"Trusted", "Valid" (intact, signer unknown to the trust list) or "Invalid" (changed after signing)."""
    signer: str
    generator: str
    source_type: str
    statement: dict[str, Any]

    @property
    def intact(self) -> bool:
        """Whether nothing was changed after signing."""
        return self.state in ("Valid", "Trusted")


def sign(source: Path, target: Path, statement: Statement, identity: Identity) -> None:
    """Write `source` with signed credentials to `target`, then read them back; no file is left after an error."""
    c2pa = library()
    algorithm = _algorithm(identity.key)
    info = c2pa.C2paSignerInfo(algorithm, _pem(identity.certificates), _pem(identity.key), None)
    partial = target.with_name(f".{target.stem}.part{target.suffix}")
    try:
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(manifest(statement))) as builder:
            builder.sign_file(source, partial, signer)
        found = read(partial)
        if found is None or not found.intact:
            raise CredentialsError(f"the credentials of {target} do not hold when read back: {found}")
        partial.replace(target)
    except c2pa.C2paError as error:
        raise CredentialsError(
            f"{source} could not be signed with {identity.certificates}: {error}. Wanted is a certificate chain for "
            "C2PA (key usage digitalSignature, extended key usage emailProtection) and its key"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def manifest(statement: Statement) -> dict[str, Any]:
    """What is signed."""
    agent = {"name": statement.generator, "version": statement.version}
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": agent}
    inputs = {"model_family": statement.family, "portrait": statement.portrait, "audio": statement.audio}
    return {
        "claim_generator_info": [agent],
        "title": "AI-generated video",
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": ASSERTION, "data": {"ai_generated": True, "hash": "sha256", **inputs}},
        ],
    }


def read(path: Path) -> Credentials | None:
    """The credentials in a file; None if it has none."""
    c2pa = library()
    reader = c2pa.Reader.try_create(path)
    if reader is None:
        return None
    with reader:
        state = str(reader.get_validation_state())
        active = reader.get_active_manifest() or {}
    assertions = {
        item["label"].split("__")[0].removesuffix(".v2"): item["data"] for item in active["assertions"]
    }
    actions = assertions.get("c2pa.actions", {}).get("actions", [])
    source_type = next(
        (action["digitalSourceType"] for action in actions if "digitalSourceType" in action), ""
    )
    agents = active.get("claim_generator_info") or [{}]
    signature = active.get("signature_info", {})
    signer = signature.get("issuer") or signature.get("common_name") or ""
    name = f"{agents[0].get('name', '')} {agents[0].get('version', '')}".strip()
    return Credentials(state, signer, name, source_type, assertions.get(ASSERTION, {}))


def library() -> ModuleType:
    """The optional package."""
    try:
        import c2pa
    except ImportError as error:
        raise CredentialsError(
            "content credentials need the package c2pa-python: `pip install c2pa-python`"
        ) from error
    return c2pa


def trial_identity(folder: Path) -> Identity:
    """A key and certificate made here, for trying: readers show the signer as unknown."""
    identity = Identity(folder / f"{TRIAL}.crt.pem", folder / f"{TRIAL}.key.pem")
    if not (identity.certificates.exists() and identity.key.exists()):
        library()  # brings cryptography
        folder.mkdir(parents=True, exist_ok=True)
        _make_trial(identity)
    return identity


def _make_trial(identity: Identity) -> None:
    """A certificate signed by a root that is thrown away: C2PA does not take one that signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(common: str) -> x509.Name:
        organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "EMO for ComfyUI (self-signed)")
        return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])

    def certificate(subject: str, public: Any, authority: bool) -> x509.Certificate:
        usage = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("trial root"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=TRIAL_DAYS))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False
            )
        )
        if not authority:
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purposes, critical=False)
        return builder.sign(root, hashes.SHA256())

    now = datetime.datetime.now(datetime.timezone.utc)
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = (
        certificate("trial", leaf.public_key(), False),
        certificate("trial root", root.public_key(), True),
    )
    pem = serialization.Encoding.PEM
    private = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    handle = os.open(identity.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(private)
    identity.certificates.write_bytes(b"".join(item.public_bytes(pem) for item in chain))


def _algorithm(key: Path) -> str:
    """The C2PA name of the signature that a private key makes."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        private = serialization.load_pem_private_key(_pem(key), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CredentialsError(f"{key} is no private key in PEM without a password: {error}") from error
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.key_size in (256, 384, 521):
        return {256: "es256", 384: "es384", 521: "es512"}[private.key_size]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    raise CredentialsError(
        f"{key} is a {type(private).__name__}, which C2PA does not know: use ECDSA, RSA or Ed25519"
    )


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read: {error}; want a PEM file") from error
