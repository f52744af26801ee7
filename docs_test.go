package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// repository is how pages that are also published elsewhere name files of this one.
const repository = "https://github.com/winbake/packer-plugin-winbake/blob/main/"

// pages returns the paths of all that is written for people, with '/'.
func pages(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
	err := filepath.WalkDir("docs", func(name string, _ fs.DirEntry, err error) error {
		if ext := filepath.Ext(name); ext == ".md" || ext == ".mdx" {
			found = append(found, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil || len(found) < 20 {
		t.Fatalf("%d pages, %v", len(found), err)
	}
	return found
}

var include = regexp.MustCompile(`(?m)^@include '(.*)'$`)

// page returns the text of a page with what it includes. Partials of the SDK are left out.
func page(t *testing.T, name string) string {
	t.Helper()
	return include.ReplaceAllStringFunc(string(readFile(t, name)), func(line string) string {
		partial := include.FindStringSubmatch(line)[1]
		if strings.HasPrefix(partial, "packer-plugin-sdk/") {
			return ""
		}
		return string(readFile(t, "docs-partials/"+partial))
	})
}

// fence is a block of code between ```, or a line that is indented as one.
var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$|^    .*?$")

// anchors returns the names of a page's headings, as GitHub makes them.
func anchors(text string) (found []string) {
	for _, line := range strings.Split(fence.ReplaceAllString(text, ""), "\n") {
		heading := strings.TrimLeft(line, "#")
		if heading == line || !strings.HasPrefix(heading, " ") {
			continue
		}
		found = append(found, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, heading[1:]))
	}
	return found
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// checkLink returns what is wrong with a link of a page, or nothing.
func checkLink(t *testing.T, from, text, target string) string {
	t.Helper()
	name, anchor, hasAnchor := strings.Cut(target, "#")
	switch {
	case strings.HasPrefix(name, repository):
		name = strings.TrimPrefix(name, repository)
	case strings.Contains(name, "://"):
		return ""
	case name != "":
		name = path.Join(path.Dir(from), name)
	}
	if name != "" {
		if _, err := os.Stat(name); err != nil {
			return "no such file"
		}
		if !hasAnchor {
			return ""
		}
		text = page(t, name)
	}
	if !slices.Contains(anchors(text), anchor) {
		return "no such heading"
	}
	return ""
}

// Every link between pages, and to a heading, leads somewhere; so does every @include.
func TestDocsLinks(t *testing.T) {
	links := 0
	for _, name := range pages(t) {
		text := page(t, name)
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			links++
			if problem := checkLink(t, name, text, m[1]); problem != "" {
				t.Errorf("%s: (%s): %s", name, m[1], problem)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were looked at", links)
	}
	for _, bad := range []string{"docs/nothing.md", "README.md#no-heading", "#no-heading"} {
		if checkLink(t, "README.md", page(t, "README.md"), bad) == "" {
			t.Errorf("(%s) is found", bad)
		}
	}
}

// snippet is a piece of HCL in a page.
type snippet struct {
	page string
	line int
	text string
}

// indented is what looks like a template in a page that indents its code.
var indented = regexp.MustCompile(`(?m)^    (packer|source|variable|build)\b.*\{\n(?:(?:    .*)?\n)*`)

// snippets returns all HCL in the pages.
func snippets(t *testing.T) (found []snippet) {
	t.Helper()
	for _, name := range pages(t) {
		text := string(readFile(t, name))
		add := func(at int, code string) {
			found = append(found, snippet{name, 1 + strings.Count(text[:at], "\n"), code})
		}
		for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
			if m[2] >= 0 && text[m[2]:m[3]] == "hcl" {
				add(m[4], text[m[4]:m[5]])
			}
		}
		for _, m := range indented.FindAllStringIndex(text, -1) {
			add(m[0], regexp.MustCompile(`(?m)^    `).ReplaceAllString(text[m[0]:m[1]], ""))
		}
	}
	return found
}

// whole makes a template of a snippet: a provisioner gets a build around it, attributes get the source
// that their page is about, a build gets the source that it names. A snippet with a source, or with nothing but
// the plugin, is one already.
func (s snippet) whole(t *testing.T) string {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(s.text), s.page, hcl.Pos{Line: s.line, Column: 1})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	body := f.Body.(*hclsyntax.Body)
	has := func(kind string) bool {
		return slices.ContainsFunc(body.Blocks, func(b *hclsyntax.Block) bool { return b.Type == kind })
	}
	const ws2022 = "source \"winbake-golden\" \"ws2022\" {\n  media = \"ws2022.iso\"\n}\n"
	switch {
	case has("source"):
		return s.text
	case has("packer"):
		return s.text + ws2022 + "build { sources = [\"winbake-golden.ws2022\"] }\n"
	case has("build"):
		return ws2022 + s.text
	case has("provisioner"):
		return ws2022 + "build {\n  sources = [\"winbake-golden.ws2022\"]\n" + s.text + "}\n"
	}
	kind := strings.TrimSuffix(path.Base(s.page), ".mdx")
	text := s.text
	if body.Attributes["iso_url"] == nil {
		text += "  media = \"ws2022.iso\"\n"
	}
	return fmt.Sprintf("source \"winbake-%s\" \"x\" {\n%s}\nbuild { sources = [\"winbake-%s.x\"] }\n", kind, text, kind)
}

// What a reader of the snippets has beside the template.
var besides = map[string]string{
	"agent.exe": "", "hardening.reg": "", "OpenSSH-Win64.zip": "", "id_ed25519.pub": publicKey, "prod/manifest.json": `{"schema_version": 1, "winre": {}}`,
}

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEtI7Tn6oGbEbpBZtT0lhVqRtTkPpS0hQzEdCOsl0bsT someone"

// Every piece of HCL in the pages is taken by packer validate.
func TestDocsSnippets(t *testing.T) {
	i := needPacker(t)
	t.Setenv("PKR_VAR_password", "S3cret-of-a-test")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, strings.Repeat("0", 64)+"  ws2022.iso") // a file of checksums
	}))
	defer web.Close()
	all := snippets(t)
	if len(all) < 15 {
		t.Errorf("only %d snippets were found", len(all))
	}
	for _, s := range all {
		t.Run(fmt.Sprintf("%s:%d", s.page, s.line), func(t *testing.T) {
			dir := i.template(t, strings.ReplaceAll(s.whole(t), "https://example.com", web.URL))
			for name, content := range besides {
				name = filepath.Join(dir, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := i.run(dir, "validate"); err != nil {
				t.Errorf("%v\n%s\n%s", err, out, s.whole(t))
			}
		})
	}
}

// HashiCorp's integrations page, which .web-docs is for, shows every component that the plugin has, and no other.
func TestWebDocs(t *testing.T) {
	f, diags := hclsyntax.ParseConfig(readFile(t, ".web-docs/metadata.hcl"), "metadata.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var shown []string
	for _, b := range f.Body.(*hclsyntax.Body).Blocks[0].Body.Blocks {
		if b.Type != "component" {
			continue
		}
		kind, _ := b.Body.Attributes["type"].Expr.Value(nil)
		slug, diags := b.Body.Attributes["slug"].Expr.Value(nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		shown = append(shown, kind.AsString()+"/"+slug.AsString())
		if text := string(readFile(t, ".web-docs/components/"+kind.AsString()+"/"+slug.AsString()+"/README.md")); strings.Contains(text, "@include") {
			t.Errorf("the page of %s is not rendered", slug.AsString())
		}
	}
	if want := components(t); !slices.Equal(shown, want) {
		t.Errorf("components %s, want %s", shown, want)
	}
}

// components are those that have a page in docs, with the site's names for their kinds.
func components(t *testing.T) (found []string) {
	t.Helper()
	for folder, kind := range map[string]string{"builders": "builder", "datasources": "data-source", "post-processors": "post-processor", "provisioners": "provisioner"} {
		entries, err := os.ReadDir(path.Join("docs", folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			found = append(found, kind+"/"+strings.TrimSuffix(e.Name(), ".mdx"))
		}
	}
	slices.Sort(found)
	return found
}
