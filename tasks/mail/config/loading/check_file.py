"""Configuration files: YAML, JSON or TOML, holding a loop, one half of it, or NyxMon's flat check.data."""

import stat
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from tasks.mail.config.addresses import quoted, slug
from tasks.mail.config.fleet import Fleet
from tasks.mail.config.loading.formats import PARSERS, values
from tasks.mail.config.loading.pem_files import ca_problem, client_problem
from tasks.mail.config.loop import CheckConfig, ImapConfig, InboundConfig, LoopConfig, SenderSection
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.config.matrix import Matrix
from tasks.mail.config.secrets import login_sections
from tasks.mail.config.section import validated
from tasks.mail.model.errors import ConfigError

_MAX_OCTETS = 64 * 1024

_FILES = ("ca_file", "cert_file", "key_file")  # fields of sections, and of those in them

# The fields that only one half of a loop has. tls_mode is NyxMon's name for tls, of mailboxes alone.
_OF_SMTP = SenderSection.model_fields.keys() - ImapConfig.model_fields.keys()
_OF_IMAP = ImapConfig.model_fields.keys() - SenderSection.model_fields.keys() | {"tls_mode"}


def read(path: str | Path, sections: str = "smtp or imap (or both)") -> tuple[str, dict[str, object]]:
    """What an error about the file at `path` begins with, and the fields in it; `sections` are those it may have."""
    source = str(path) or "."
    if not source.isprintable():  # it could move a cursor, or forge a line of a log
        source = quoted(source)
    data = values(_text(Path(path), source), Path(path).suffix.lower(), source)
    if data is None or data == {}:
        raise ConfigError(f"{source}: is empty: give a section {sections}")
    if not isinstance(data, dict):
        named = sections.replace(" or ", " and ").partition(" (")[0]
        raise ConfigError(f"{source}: must hold fields at the top level, such as {named}, not a list or one value")
    return source, data


def check_of(path: str | Path, source: str, data: dict[str, object]) -> CheckConfig:
    """The check that these fields describe; `path` gives it a name, and a folder to its relative paths."""
    inside = ""
    if not {"smtp", "imap"} & data.keys():
        inside = _half(data)
        if not inside and {"channels", "rules"} <= data.keys():
            raise ConfigError(f"{source}: describes no check but alerts: keep it elsewhere, for mail-loop alerts apply")
        if not inside:
            names = ("smtp", "imap", *sorted(_OF_SMTP | _OF_IMAP))
            near = [name for key in data for name in get_close_matches(str(key), names, 1)]
            raise ConfigError(
                f"{source}: describes no check: give a section smtp or imap (or both), or the fields of one of them "
                "with from_addr or search_subject" + (f"; did you mean {near[0]}?" if near else "")
            )
        name = {"name": data.pop("name")} if "name" in data else {}
        data = {**name, inside: data}
    data.setdefault("name", slug(Path(path).stem))
    data = {name: beside(path, section) for name, section in data.items()}

    model: type[CheckConfig] = LoopConfig if "smtp" in data else InboundConfig
    config = validated(model, data, source, inside)
    check_files(config, source, inside)
    return config


def _half(data: Mapping[str, object]) -> str:
    """The half of a loop whose fields these are; empty where both could have them."""
    of_smtp, of_imap = len(_OF_SMTP & data.keys()), len(_OF_IMAP & data.keys())
    if not of_smtp and not of_imap:
        return ""
    return "smtp" if "from_addr" in data or of_smtp >= of_imap else "imap"


def beside(path: str | Path, section: object) -> object:
    """The section with its relative paths made absolute: they are relative to the file at `path`."""
    if not isinstance(section, dict):
        return section
    folder = Path(path).absolute().parent
    placed = {name: str(folder / given) for name in _FILES if isinstance(given := section.get(name), str) and given}
    nested = {"oauth": beside(path, section["oauth"])} if "oauth" in section else {}
    return {**section, **placed, **nested}


def logins_in(config: CheckConfig | Matrix | Fleet) -> Iterator[tuple[str, SenderSection | MailboxConfig]]:
    """The sections that log in somewhere, each with the path that an error gives."""
    if isinstance(config, Matrix):
        yield from config.sections().items()
    elif isinstance(config, Fleet):
        for check in (member.config for member in config.members):
            yield from ((f"loops.{check.name}.{name}", section) for name, section in login_sections(check).items())
    else:
        yield from login_sections(config).items()


def check_files(config: CheckConfig | Matrix | Fleet, source: str = "", inside: str = "") -> None:
    """Raise ConfigError unless every certificate file can be read and holds what it should. `inside`: see explain()."""
    problems: list[str] = []
    known: set[tuple[str, ...]] = set()
    for where, section in logins_in(config):
        for files, problem in _files_of(section):
            if isinstance(config, Fleet) and files in known:  # one file is the authority of many loops
                continue
            known.add(files)
            field, text = problem()
            if text:
                problems.append(f"{where}.{field}: {text}".removeprefix(f"{inside}."))
    if problems:
        raise ConfigError(f"{source}: {'; '.join(problems)}" if source else "; ".join(problems))


def _files_of(
    section: SenderSection | MailboxConfig,
) -> Iterator[tuple[tuple[str, ...], Callable[[], tuple[str, str]]]]:
    """The files that a section names, and what looks into them: it says the field that is wrong, and what is."""
    if ca_file := section.ca_file:
        yield (ca_file,), lambda: ("ca_file", ca_problem(ca_file))
    if section.oauth is not None and (its_ca_file := section.oauth.ca_file):
        yield (its_ca_file,), lambda: ("oauth.ca_file", ca_problem(its_ca_file))
    if cert_file := section.cert_file:
        key_file = section.key_file or ""
        yield (cert_file, key_file), lambda: client_problem(cert_file, key_file)


def _text(path: Path, source: str) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{source}: is a directory: name a file in it")
        if path.suffix.lower() not in PARSERS:
            raise ConfigError(f"{source}: must be a file named .yaml, .yml, .json or .toml")
        if not stat.S_ISREG(mode):  # a device or a named pipe may never end
            raise ConfigError(f"{source}: is no regular file: name one")
        with path.open("rb") as file:
            content = file.read(_MAX_OCTETS + 1)
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigError(f"{source}: is a link to a file that does not exist: make it anew") from None
        raise ConfigError(f"{source}: does not exist: check the path") from None
    except PermissionError:
        raise ConfigError(f"{source}: may not be read by this user: change its permissions") from None
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read ({error.strerror}): check the path") from None
    except ValueError:  # a NUL in the path
        raise ConfigError(f"{source}: is no path of a file: check the path") from None
    if len(content) > _MAX_OCTETS:
        raise ConfigError(f"{source}: is larger than {_MAX_OCTETS // 1024} KiB: a configuration is a few lines")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{source}: is not UTF-8 at line {line}: save it as UTF-8") from None
    if "\0" in text:  # UTF-16 without a byte order mark looks like this
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ConfigError(f"{source}: holds a NUL at line {line}: save it as UTF-8")
    return text
