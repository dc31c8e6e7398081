#!/usr/bin/env python3
"""Compares the types told by content with those of the Debian `file` command.

usage: file-types.py [--text] FOLDER...

Prints one line for each pair of answers that do not mean the same (answers, count, first files),
the names whose extension disagrees with their content, and the time a call took. Text formats that
`file` tells apart and this program calls `text` are left out unless --text is given.
"""

import collections
import os
import subprocess
import sys
import tempfile

# Our word -> the MIME types that mean the same.
SAME = {
    "jpeg": "image/jpeg", "png": "image/png image/vnd.mozilla.apng", "gif": "image/gif",
    "webp": "image/webp", "bmp": "image/bmp", "tiff": "image/tiff",
    "ico": "image/vnd.microsoft.icon image/x-win-bitmap", "icns": "image/x-icns",
    "heic": "image/heic image/heif", "avif": "image/avif", "jxl": "image/jxl",
    "jp2": "image/jp2 image/jpx image/jpm image/x-jp2-codestream",
    "psd": "image/vnd.adobe.photoshop", "cr2": "image/x-canon-cr2", "cr3": "image/x-canon-cr3",
    "dng": "image/tiff", "nef": "image/tiff", "arw": "image/tiff", "svg": "image/svg+xml",
    "pnm": "image/x-portable-pixmap image/x-portable-greymap image/x-portable-bitmap",
    "pcx": "image/x-pcx", "qoi": "image/x-qoi", "dds": "image/vnd.ms-dds image/x-dds",
    "djvu": "image/vnd.djvu", "mp4": "video/mp4", "mov": "video/quicktime", "3gp": "video/3gpp",
    "mkv": "video/x-matroska", "webm": "video/webm", "avi": "video/x-msvideo",
    "flv": "video/x-flv", "asf": "video/x-ms-asf", "mpeg_ps": "video/mpeg video/mpv",
    "mpeg_ts": "video/mp2t", "ogv": "video/ogg", "mp3": "audio/mpeg", "m4a": "audio/x-m4a",
    "aac": "audio/x-hx-aac-adts", "wav": "audio/x-wav", "aiff": "audio/x-aiff",
    "flac": "audio/flac", "ogg": "audio/ogg", "midi": "audio/midi",
    "zip": "application/zip", "gzip": "application/gzip", "bzip2": "application/x-bzip2",
    "xz": "application/x-xz", "lzma": "application/x-lzma", "zstd": "application/zstd",
    "lz4": "application/x-lz4", "compress": "application/x-compress",
    "7z": "application/x-7z-compressed", "rar": "application/x-rar", "tar": "application/x-tar",
    "cpio": "application/x-cpio", "cab": "application/vnd.ms-cab-compressed",
    "ar": "application/x-archive", "deb": "application/vnd.debian.binary-package",
    "rpm": "application/x-rpm", "odt": "application/vnd.oasis.opendocument.text",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "epub": "application/epub+zip",
    "ole": "application/x-ole-storage application/msword application/vnd.ms-excel "
           "application/CDFV2 application/vnd.ms-powerpoint application/x-msi",
    "pdf": "application/pdf", "postscript": "application/postscript image/x-eps",
    "rtf": "text/rtf", "html": "text/html", "xml": "text/xml", "eml": "message/rfc822",
    "mbox": "application/mbox", "vhd": "application/x-virtualbox-vhd",
    "vdi": "application/x-virtualbox-vdi", "qcow2": "application/x-qemu-disk",
    "iso9660": "application/x-iso9660-image", "wim": "application/x-ms-wim",
    "elf": "application/x-sharedlib application/x-pie-executable application/x-executable "
           "application/x-object application/x-coredump",
    "pe": "application/x-dosexec application/vnd.microsoft.portable-executable",
    "mach_o": "application/x-mach-binary", "java_class": "application/x-java-applet",
    "jar": "application/java-archive application/zip", "wasm": "application/wasm",
    "sqlite": "application/vnd.sqlite3", "plist": "application/x-bplist text/xml",
    "torrent": "application/x-bittorrent", "font": "font/sfnt application/vnd.ms-opentype",
    "woff": "font/woff font/woff2", "none": "application/octet-stream",
}


def our_answers(listing):
    """Type, mismatch and the timing line, from the test that prints them."""
    command = ["cargo", "test", "-q", "--release", "--test", "it", "--",
               "--exact", "--nocapture", "signature::prints_types_for_the_oracle"]
    run = subprocess.run(command, env={**os.environ, "ASSAY_TYPES_OF": listing},
                         stdout=subprocess.PIPE, check=True)
    answers, timing = {}, ""
    for line in run.stdout.decode("utf-8", "surrogateescape").split("\n"):
        mark, found, text = line.partition("TYPE\t")
        if found:
            word, mismatch, _size, path = text.split("\t", 3)
            answers[path] = (word, mismatch == "true")
        elif line.startswith("TIME\t"):
            timing = line[5:]
    return answers, timing


def file_answers(listing):
    """MIME type of each path, from `file`."""
    run = subprocess.run(["file", "--mime-type", "--no-pad", "--print0", "--files-from", listing],
                         stdout=subprocess.PIPE, check=True)
    answers = {}
    for line in run.stdout.decode("utf-8", "surrogateescape").splitlines():
        path, found, mime = line.partition("\0")
        if found:
            answers[path] = mime.lstrip(": ").strip()
    return answers


def main():
    with_text = "--text" in sys.argv
    paths = []
    for folder in (name for name in sys.argv[1:] if not name.startswith("--")):
        for where, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(where, name)
                plain = os.path.isfile(path) and not os.path.islink(path) and "\n" not in path
                if plain and path.isprintable():
                    paths.append(path)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listing:
        listing.write("".join(path + "\n" for path in paths))
        listing.flush()
        ours, timing = our_answers(listing.name)
        theirs = file_answers(listing.name)
    differences, mismatches = collections.defaultdict(list), []
    for path in paths:
        if path not in ours or path not in theirs:
            continue
        (word, mismatch), mime = ours[path], theirs[path]
        if mismatch:
            mismatches.append(f"{word}\t{mime}\t{path}")
        text = word == "text" and (mime.startswith("text/") or mime in
                                   ("application/json", "application/javascript"))
        same = mime in SAME.get(word, "").split() or (text and not with_text)
        if not same:
            differences[(word, mime)].append(path)
    print(f"{len(ours)} files, {sum(map(len, differences.values()))} differences; {timing}")
    for (word, mime), found in sorted(differences.items(), key=lambda item: -len(item[1])):
        print(f"{len(found):6} {word:12} {mime:45} {'  '.join(found[:4])}")
    print(f"{len(mismatches)} names disagree with their content")
    for line in mismatches:
        print("   " + line)


if __name__ == "__main__":
    main()
