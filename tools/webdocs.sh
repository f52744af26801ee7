#!/usr/bin/env bash
# Writes .web-docs, which HashiCorp's integrations page is made from: the pages of docs with their partials, as
# Markdown, without header and title, and with links as that site has them.
set -euo pipefail
cd "$(dirname "$0")/.."
site=/packer/integrations/winbake/winbake/latest/components
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT
go tool packer-sdc renderdocs -src docs -partials docs-partials -dst "$rendered/docs" 2>"$rendered/log" || { cat "$rendered/log" >&2; exit 1; }

singular() { # FOLDER: what the site calls the kind of component in it
  case $1 in datasources) echo data-source ;; *) echo "${1%s}" ;; esac
}

links() { # FOLDER: rewrites the links of a page in it
  sed -E "s#\]\(([a-z]+)\.mdx#](../$1/\1.mdx#g" |
    sed -E "s#\]\((\.\./)?(builders|provisioners|post-processors|datasources)/([a-z]+)\.mdx#](<\2>/\3#g" |
    sed -e "s#](<datasources>#]($site/data-source#g" -e "s#](<\([a-z-]*\)s>#]($site/\1#g"
}

rm -rf .web-docs/components
links . <"$rendered/docs/README.md" >.web-docs/README.md
for page in "$rendered"/docs/{builders,provisioners,post-processors,datasources}/*.mdx; do
  folder=$(basename "$(dirname "$page")")
  out=.web-docs/components/$(singular "$folder")/$(basename "$page" .mdx)
  mkdir -p "$out"
  # The header ends with the second ---, the title is the first line that begins with #.
  awk 'header < 2 { if (/^---$/) header++; next } !title && /^# / { title = 1; next } title && (begun || NF) { begun = 1; print }' "$page" |
    links "$folder" >"$out/README.md"
done
