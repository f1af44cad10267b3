"""Sign a video's origin with content credentials (C2PA) and read them back."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The video, who signs, where the signed copy goes."""
    parser.add_argument("video", type=Path)
    parser.add_argument(
        "-o", "--output", type=Path, help="default: the video's name with .signed before the suffix"
    )
    parser.add_argument(
        "--certificates", type=Path, help="PEM file of the certificate chain, the signer's first"
    )
    parser.add_argument("--key", type=Path, help="PEM file of the private key")
    parser.add_argument(
        "--self-signed",
        type=Path,
        metavar="FOLDER",
        help="for trying: keep a key and certificate made here in FOLDER; readers show an unknown signer",
    )


def run(args: argparse.Namespace) -> int:
    """Write the signed copy."""
    from ..provenance.credentials import Identity, read, sign, trial_identity
    from ..provenance.statement import Statement, read_tags, statement_in

    if args.self_signed:
        identity = trial_identity(args.self_signed)
    elif args.certificates and args.key:
        identity = Identity(args.certificates, args.key)
    else:
        raise ValueError("who signs is missing: give --certificates and --key, or --self-signed FOLDER")
    output = args.output or args.video.with_suffix(f".signed{args.video.suffix}")
    sign(args.video, output, statement_in(read_tags(args.video)) or Statement(), identity)
    print(f"{output}: {read(output)}")
    return 0
