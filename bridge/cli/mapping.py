"""`bridge mapping`: the tools of whoever writes mappings."""

import typer

from bridge.cli import (
    mapping_diff,
    mapping_explain,
    mapping_lint,
    mapping_new,
    mapping_record,
    mapping_run,
    mapping_test,
)

app = typer.Typer(help="Run, check, test and explain mapping files.", no_args_is_help=True)

app.command()(mapping_run.run)
app.command()(mapping_lint.lint)
app.command()(mapping_lint.rule)
app.command()(mapping_test.test)
app.command()(mapping_test.coverage)
app.command()(mapping_explain.explain)
app.command()(mapping_diff.diff)
app.command()(mapping_lint.schema)
app.command()(mapping_record.show)
app.command()(mapping_record.record)
app.command()(mapping_new.new)
