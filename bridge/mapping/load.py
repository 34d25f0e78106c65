"""The texts of a mappings folder → a `MappingSet`: standards, structures, lists, vocabulary, programs.

The layout, with names relative to the mappings folder:

    vocabulary.yaml                     names of the PROV-JSONLD graph
    stuf-jz/standard.yaml               prefixes, privacy classes
    stuf-jz/structure/*.structure       one per message
    stuf-jz/lists/*.csv, *.json         code lists
    stuf-jz/NAME.map.yaml               one per mapping
    stuf-jz/NAME.cases/*                its cases
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.errors import MappingError
from bridge.mapping.compile import Parts, compile_mapping
from bridge.mapping.diagnostics import (
    Diagnostic,
    Span,
    diagnostic,
    has_errors,
    ordered,
    render,
    summary,
    unknown,
)
from bridge.mapping.lists import CodeList, read_list
from bridge.mapping.model import Fate, MappingModel
from bridge.mapping.program import Program
from bridge.mapping.read import read_mapping
from bridge.mapping.standard import Standard, Vocabulary, read_standard, read_vocabulary
from bridge.mapping.structure import Shape, read_structure

VOCABULARY = "vocabulary.yaml"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MappingSet:
    """All mappings together, compiled."""

    programs: tuple[Program, ...]
    sha: str
    """Of all files together."""

    def __repr__(self) -> str:
        return f"<MappingSet of {len(self.programs)} mappings, {self.sha[:12]}>"

    def for_xml(
        self,
        root_qname: str,
        *,
        service: str | None = None,
        action: str | None = None,
        cpa_id: str | None = None,
    ) -> Program | None:
        """The reading mapping for a root element (Clark notation); of several the one that asks for most."""
        fits = [
            program
            for program in self.programs
            if program.direction.reads
            and program.root.tag == root_qname
            and program.service in (None, service)
            and program.action in (None, action)
            and program.cpa_id in (None, cpa_id)
        ]
        return max(fits, key=_narrowness, default=None)

    def for_event(self, type: str) -> tuple[Program, ...]:
        """The composing mappings that answer to an event type, by name."""
        return tuple(p for p in self.programs if p.direction.writes and type in p.event_types)

    def named(self, name: str) -> Program | None:
        """The mapping of this name."""
        return next((program for program in self.programs if program.name == name), None)


def _narrowness(program: Program) -> tuple[bool, bool, bool]:
    return program.cpa_id is not None, program.action is not None, program.service is not None


def read_mapping_set(files: Mapping[str, str]) -> MappingSet:
    """Compiles a mappings folder. Raises `MappingError` with every error, rendered."""
    made, found = load_files(files)
    if has_errors(found):
        errors = ordered(found)
        raise MappingError([*render(errors, files), summary(errors)])
    return made


def load_files(files: Mapping[str, str]) -> tuple[MappingSet, tuple[Diagnostic, ...]]:
    """The mappings that compile, and everything there is to say about the others and about these."""
    loader = _Loader(files)
    programs = loader.programs()
    digest = hashlib.sha256()
    for name in sorted(files):
        if ".cases/" not in name:
            digest.update(f"{name}\0{files[name]}\0".encode())
    return MappingSet(programs=programs, sha=digest.hexdigest()), ordered(loader.found)


def _answer_faults(
    program: Program, made: Mapping[str, Program], written: Mapping[str, Span]
) -> list[Diagnostic]:
    """What is wrong with the technical answers that a mapping names; one with faults of its own is told there."""
    found: list[Diagnostic] = []
    for fate, name in program.answers.items():
        other = made.get(name.text)
        if other is None:
            if name.text not in written:
                known = [p.name for p in made.values() if p.answer_about is not None]
                said = f"there is no mapping {name.text}"
                found.append(unknown("M410", name.span, said, name.text, known))
            continue
        wanted = "handled" if fate is Fate.HANDLED else "refused"
        if other.answer_about is None or not other.direction.writes:
            said = f"{name.text} composes no technical answer"
            hint = "it needs answer:, and direction: both or to-xml"
        elif other.standard.folder != program.standard.folder:
            said, hint = f"{name.text} belongs to another message standard", ""
        elif other.answer_outcome != wanted:
            said, hint = (
                f"{name.text} says {other.answer_outcome}, and {fate} needs one that says {wanted}",
                "",
            )
        elif other.sends is None:
            said, hint = f"{name.text} says no action", "add a row {header: action, const: …}"
        else:
            continue
        found.append(diagnostic("M410", name.span, said, hint=hint))
    return found


@dataclass(slots=True)
class _Folder:
    """What the mappings of one folder share."""

    standard: Standard
    roots: dict[str, Shape] = field(default_factory=dict)
    """By prefixed name of the root."""
    root_files: dict[str, str] = field(default_factory=dict)
    codes: dict[str, frozenset[str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Loader:
    files: Mapping[str, str]
    found: list[Diagnostic] = field(default_factory=list)
    lists: dict[str, CodeList | None] = field(default_factory=dict)
    folders: dict[str, _Folder | None] = field(default_factory=dict)

    def programs(self) -> tuple[Program, ...]:
        vocabulary = self.vocabulary()
        made: list[Program] = []
        seen: dict[str, Span] = {}
        for file in sorted(f for f in self.files if f.endswith(".map.yaml")):
            model, found = read_mapping(file, self.files[file])
            self.found += found
            if model is None:
                continue
            if model.name.text in seen:
                said = f"{model.name.text} is also the name of {seen[model.name.text].file}"
                self.found.append(diagnostic("M109", model.name.span, said))
            seen[model.name.text] = model.name.span
            program = self.program(model, vocabulary) if vocabulary else None
            if program is not None and not has_errors(found):
                made.append(program)
        for program in made:
            self.found += _answer_faults(program, {one.name: one for one in made}, seen)
        return tuple(sorted(made, key=lambda program: program.name))

    def vocabulary(self) -> Vocabulary | None:
        if VOCABULARY not in self.files:
            self.found.append(
                diagnostic("M113", Span(VOCABULARY), "the mappings folder has no vocabulary.yaml")
            )
            return None
        vocabulary, found = read_vocabulary(VOCABULARY, self.files[VOCABULARY])
        self.found += found
        return vocabulary

    def program(self, model: MappingModel, vocabulary: Vocabulary) -> Program | None:
        folder = self.folder(model.file)
        if folder is None:
            return None
        root = folder.roots.get(model.root.text)
        if root is None:
            said = f"there is no structure description of {model.root.text}"
            self.found.append(unknown("M113", model.root.span, said, model.root.text, folder.roots))
            return None
        lists = self.model_lists(model, folder.standard.folder)
        if lists is None:
            return None
        parts = Parts(
            standard=folder.standard, vocabulary=vocabulary, root=root, lists=lists, codes=folder.codes
        )
        program, found = compile_mapping(model, parts, self.sha(model, folder))
        self.found += found
        return program

    def sha(self, model: MappingModel, folder: _Folder) -> str:
        where = folder.standard.folder
        names = [model.file, VOCABULARY, f"{where}/standard.yaml", folder.root_files[model.root.text]]
        names += [f"{where}/{file.text}" for _, file in model.lists]
        digest = hashlib.sha256()
        for name in names:
            digest.update(f"{name}\0{self.files.get(name, '')}\0".encode())
        return digest.hexdigest()

    def model_lists(self, model: MappingModel, folder: str) -> dict[str, CodeList] | None:
        lists: dict[str, CodeList] = {}
        complete = True
        for name, file in model.lists:
            path = f"{folder}/{file.text}"
            if path not in self.files:
                known = [f.removeprefix(f"{folder}/") for f in self.files if f.startswith(f"{folder}/lists/")]
                self.found.append(
                    unknown("M113", file.span, f"there is no file {file.text}", file.text, known)
                )
                complete = False
                continue
            read = self.code_list(path)
            if read is None:
                complete = False
            else:
                lists[name.text] = read
        return lists if complete else None

    def code_list(self, path: str) -> CodeList | None:
        if path not in self.lists:
            self.lists[path], found = read_list(path, self.files[path])
            self.found += found
        return self.lists[path]

    def folder(self, file: str) -> _Folder | None:
        where = file.rpartition("/")[0]
        if where not in self.folders:
            self.folders[where] = self.read_folder(where)
        return self.folders[where]

    def read_folder(self, where: str) -> _Folder | None:
        name = f"{where}/standard.yaml".lstrip("/")
        if name not in self.files:
            self.found.append(
                diagnostic("M113", Span(name), f"the folder {where or '.'} has no standard.yaml")
            )
            return None
        standard, found = read_standard(name, self.files[name])
        self.found += found
        if standard is None:
            return None
        folder = _Folder(standard=standard)
        for file in sorted(self.files):
            if file.startswith(f"{where}/structure/") and file.endswith(".structure"):
                root, found = read_structure(file, self.files[file], standard.prefixes)
                self.found += found
                if root is not None:
                    folder.roots[root.name] = root
                    folder.root_files[root.name] = file
            elif file.startswith(f"{where}/lists/"):
                read = self.code_list(file)
                if read is not None:
                    folder.codes[read.name] = read.codes
        return folder
