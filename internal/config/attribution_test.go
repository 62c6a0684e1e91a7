package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/directory"
	"github.com/athenatrail/athenatrail/internal/team"
)

func date(t testing.TB, s string) athenatrail.Date {
	t.Helper()
	d, err := athenatrail.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What is read is taken by those who it is for.
func TestExampleIsTaken(t *testing.T) {
	c, err := Load(t.Context(), Options{File: "testdata/athenatrail.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if rules, err := team.New(c.Teams); err != nil || !rules.NeedsTags() || !rules.NeedsAccountNames() {
		t.Errorf("teams: %v", err)
	}
	if _, err := annotation.NewPatterns(c.Comments); err != nil {
		t.Error(err)
	}
	d, err := directory.ReadFile(c.Directory.File)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := d.Lookup("metabase:7", date(t, "2026-07-01")); !ok || e.Email != "ada@example.com" {
		t.Errorf("metabase:7 is %+v, %v", e, ok)
	}
}

func TestAttributionErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"teams: growth\n", `athenatrail.yaml:2:8: teams: want a list`},
		{"teams: [growth]\n", `athenatrail.yaml:2:9: teams[0]: want keys with values`},
		{"teams:\n  - team: a\n    workgroup: x\n", `athenatrail.yaml:4:5: teams[0]: unknown key "workgroup": did you mean work_group?`},
		{"teams:\n  - person: a\n", `athenatrail.yaml:3:5: teams[0]: no team: want its name, or a work_group_tag whose value is the team`},
		{"teams:\n  - team: a\n    role: arn:aws:iam::111122223333:role/etl\n",
			`athenatrail.yaml:4:11: teams[0].role "arn:aws:iam::111122223333:role/etl": want a role's name without ARN and path, in which * and ? may stand`},
		{"teams:\n  - team: a\n    account: 12345678901\n",
			`athenatrail.yaml:4:14: teams[0].account "12345678901": want an account's 12 digits with their leading zeros, its name, or a pattern of either`},
		{"teams:\n  - team: a\n    from: 2026-13-01\n", `athenatrail.yaml:4:11: teams[0].from "2026-13-01": want a day such as 2026-11-03`},
		{"teams:\n  - team: a\n    to: 1970-01-01\n", `athenatrail.yaml:4:9: teams[0].to "1970-01-01": want a day such as 2026-11-03`},
		{"teams:\n  - team: a\n    from: 2026-05-04\n    to: 2026-05-04\n", `athenatrail.yaml:5:9: teams[0].to "2026-05-04": want a day after from, which is 2026-05-04`},
		{"teams:\n  - team: rest\n  - team: a\n    person: b\n", `athenatrail.yaml:4:5: teams[1]: no call gets here, because teams[0] matches all: put that one last`},
		{"teams:\n  - {team: a, work_group_tag: =x}\n  - {team: a, work_group: a b}\n",
			`athenatrail.yaml:3:31: teams[0].work_group_tag "=x": want key=value, where * and ? may stand in the value, or a key` + "\n" +
				`athenatrail.yaml:4:27: teams[1].work_group "a b": want a work group's name, in which * and ? may stand`},

		{"comments:\n  - tool: reporter\n    pattern: user=(?P<user>\\w+\n", `athenatrail.yaml:4:14: comments[0].pattern, column 6: missing closing )`},
		{"comments:\n  - tool: reporter\n    pattern: user=.*\n", `athenatrail.yaml:4:14: comments[0].pattern, column 1: has no group (?P<user>...) or (?P<detail>...)`},
		{"comments:\n  - pattern: (?P<user>.*)\n", `athenatrail.yaml:3:5: comments[0].tool, column 1: "": want the tool's name in small letters, digits, - and _`},
		{"comments:\n  - {tool: a, pattern: '('}\n  - {tool: B, pattern: x}\n",
			`athenatrail.yaml:3:24: comments[0].pattern, column 1: missing closing )` + "\n" +
				`athenatrail.yaml:4:12: comments[1].tool, column 1: "B": want the tool's name in small letters, digits, - and _`},

		{"directory: people.csv\n", `athenatrail.yaml:2:12: directory.file "people.csv": there is no file people.csv`},
		{"directory:\n  file: ../x/\n", `athenatrail.yaml:3:9: directory.file "../x/": there is no file ../x/`},
		{"directory: .\n", `athenatrail.yaml:2:12: directory.file ".": is a folder: want a CSV file`},
		{"directory: s3://bucket/people.csv\n", `athenatrail.yaml:2:12: directory.file "s3://bucket/people.csv": want the path of a CSV file on disk`},
		{"directory: [a]\n", `athenatrail.yaml:2:12: directory: want keys with values`},
		{"directory:\n  identity_store: yes\n", `athenatrail.yaml:3:19: directory.identity_store "yes": want true or false`},
		{"directory:\n  identity_store_region: Paris\n", `athenatrail.yaml:3:26: directory.identity_store_region "Paris": want a region such as eu-west-1`},
		{"directory:\n  path: x\n", `athenatrail.yaml:3:3: directory: unknown key "path": want one of accounts, accounts_file, file, identity_store, identity_store_region, work_groups`},

		{"catalog: true\n", `athenatrail.yaml:2:10: catalog: want keys with values`},
		{"catalog:\n  glue: on\n", `athenatrail.yaml:3:9: catalog.glue "on": want true or false`},
		{"catalog:\n  lakeformation: true\n", `athenatrail.yaml:3:3: catalog: unknown key "lakeformation": did you mean lake_formation?`},
		{"catalog:\n  file: tables.csv\n  grants_file: .\n", `athenatrail.yaml:3:9: catalog.file "tables.csv": there is no file tables.csv` + "\n" +
			`athenatrail.yaml:4:16: catalog.grants_file ".": is a folder: want a CSV or JSON file`},
		{"own_principals: athenatrail\n", `athenatrail.yaml:2:17: own_principals "athenatrail": want an ARN such as arn:aws:iam::111122223333:role/athenatrail, in which * and ? may stand`},
	} {
		_, err := load(t, "version: 1\n"+tt.text, nil)
		var e *Error
		if err == nil || err.Error() != tt.want || !errors.As(err, &e) {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
	if _, err := load(t, "version: 1\ncomments:\n"+strings.Repeat("  - {tool: a, pattern: (?P<user>.*)}\n", 33), nil); err == nil || !strings.HasPrefix(err.Error(), "athenatrail.yaml:3:3: comments[32]: 33 patterns: want at most 32") {
		t.Errorf("too many patterns: %v", err)
	}
}

func TestAttributionFromEnvironment(t *testing.T) {
	people := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(people, []byte("id,email\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load(t, "version: 1\nteams: [{team: old, person: x}]\ndirectory: {accounts: true}\ncomments: []\n", []string{
		"ATHENATRAIL_TEAMS=[{team: new, role: etl, from: 2026-05-04}]", "ATHENATRAIL_DIRECTORY=" + people,
		"ATHENATRAIL_COMMENTS=[{tool: reporter, pattern: '(?P<user>.+)'}]",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := values(c)
	for key, want := range map[string]string{
		"teams[0].team":            "new < ATHENATRAIL_TEAMS",
		"teams[0].person":          "",
		"teams[0].from":            "2026-05-04 < ATHENATRAIL_TEAMS",
		"directory.file":           people + " < ATHENATRAIL_DIRECTORY",
		"directory.accounts":       "true < athenatrail.yaml:3", // keys merge
		"directory.identity_store": "false < default",
		"comments[0].pattern":      "(?P<user>.+) < ATHENATRAIL_COMMENTS",
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	for env, want := range map[string]string{
		"ATHENATRAIL_TEAMS=[{team: a, work_group: /}]":   `ATHENATRAIL_TEAMS: teams[0].work_group "/": want a work group's name, in which * and ? may stand`,
		"ATHENATRAIL_COMMENTS=[{tool: a, pattern: '['}]": `ATHENATRAIL_COMMENTS: comments[0].pattern, column 1: missing closing ]`,
		"ATHENATRAIL_DIRECTORY={file: people.csv}":       `ATHENATRAIL_DIRECTORY: directory.file "people.csv": there is no file people.csv`,
	} {
		if _, err := load(t, "", []string{env}); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", env, err, want)
		}
	}
}

// A path is relative to the file that it stands in.
func TestDirectoryIsRelativeToTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "settings", "athenatrail.yaml")
	people := filepath.Join(dir, "people.csv")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(people, []byte("id,email\n"), 0o600),
		os.WriteFile(file, []byte("version: 1\ndirectory: ../people.csv\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	c, err := Load(t.Context(), Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Directory{File: people}, c.Directory); diff != "" {
		t.Error(diff)
	}

	remote(t, "version: 1\ndirectory: people.csv\n")
	for _, name := range []string{"s3://settings/team/athenatrail.yaml", "ssm:/athenatrail"} {
		want := name + `:2:12: directory.file "people.csv": want an absolute path, because the configuration is not on disk`
		if _, err := Load(t.Context(), Options{File: name}); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	remote(t, "version: 1\ndirectory: "+people+"\n")
	if c, err := Load(t.Context(), Options{File: "ssm:/athenatrail"}); err != nil || c.Directory.File != people {
		t.Errorf("got %+v, %v", c, err)
	}
}
