package directory

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/identity"
)

func date(t testing.TB, s string) athenatrail.Date {
	t.Helper()
	d, err := athenatrail.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestReadCSV(t *testing.T) {
	rosa := identity.Entry{ID: "metabase:7", Name: "Rosa, R.", Email: "rosa@example.com", Team: "Growth", From: date(t, "2026-01-01"), To: date(t, "2026-07-01")}
	f := func(text string, want ...identity.Entry) {
		t.Helper()
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text))} {
			got, err := ReadCSV(r, "people.csv")
			if err != nil {
				t.Errorf("%s: %q: %v", how, text, err)
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %q (-want +got):\n%s", how, text, diff)
			}
		}
	}
	at := func(line int, e identity.Entry) identity.Entry { e.Line = line; return e }
	header := "id,name,email,team,valid_from,valid_to\n"
	row := `metabase:7,"Rosa, R.",rosa@example.com,Growth,2026-01-01,2026-07-01` + "\n"
	f(header)
	f(header+row, at(2, rosa))
	f("\ufeff"+header+row, at(2, rosa))
	f(strings.ReplaceAll(header+row, "\n", "\r\n"), at(2, rosa))
	f("# who is who\n\n"+header+"\n# Growth\n\n"+row+"\n", at(7, rosa))
	f(strings.TrimSuffix(header+row, "\n"), at(2, rosa))
	f(" ID , Name,EMAIL,team,valid_from,valid_to,,\n"+strings.TrimSuffix(row, "\n")+",,\n", at(2, rosa))
	f("email,valid_to,id,team,valid_from,name\nrosa@example.com,2026-07-01,metabase:7,Growth,2026-01-01,\"Rosa, R.\"\n", at(2, rosa))
	f("id,email\nsession:rosa,rosa@example.com\niam_user:rosa, rosa@example.com \n",
		identity.Entry{ID: "session:rosa", Email: "rosa@example.com", Line: 2}, identity.Entry{ID: "iam_user:rosa", Email: "rosa@example.com", Line: 3})
	f("id,team\n\"session:a\"\"b\",\"two  words\"\n", identity.Entry{ID: `session:a"b`, Team: "two  words", Line: 2})
}

func TestMistakes(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		entries, err := ReadCSV(strings.NewReader(text), "people.csv")
		if err == nil || err.Error() != strings.Join(want, "\n") || entries != nil {
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, strings.Join(want, "\n"))
		}
	}
	const all = "id,name,email,team,valid_from,valid_to"
	f("", "people.csv:1: the file is empty: want a first line of "+all)
	f("# nothing\n", "people.csv:1: the file is empty: want a first line of "+all)
	f("metabase:7,rosa@example.com\n", "people.csv:1: no header: want a first line of "+all)
	f("id;email\nmetabase:7;rosa@example.com\n", "people.csv:1: the columns are separated by semicolons: want commas")
	f("id\temail\n", "people.csv:1: the columns are separated by tabs: want commas")
	f("\xff\xfei\x00d\x00", `people.csv:1: the text is UTF-16: want UTF-8, as in "CSV UTF-8" of a spreadsheet`)
	f("id,mail,salary,id\n", `people.csv:1: unknown column "mail": did you mean email?`,
		`people.csv:1: unknown column "salary": want id, name, email, team, valid_from, valid_to`, "people.csv:1: column id stands here twice")
	f("name,email\n", "people.csv:1: no column id")
	f("id,valid_from\n", "people.csv:1: the ids say nothing: want a column name, email or team")
	f("id,email,valid_from,valid_to\n"+
		"metabase:7,rosa@example.com,2026-02-30,soon\n"+
		"metabase:8,ada@example.com\n"+
		",lin@example.com,,\n"+
		"metabase:9,,,\n"+
		"metabase:10,nobody,,\n"+
		"metabase:11,a@example.com,2026-02-01,2026-02-01\n"+
		"7,b@example.com,,\n"+
		"metabase:12,\"a\nb\",,\n"+
		"metabase:13,\xff@example.com,,1970-01-01\n"+
		"metabase:14,a\"b@example.com,,\n"+
		"metabase:15,c@example.com,,,x\n",
		`people.csv:2: valid_from "2026-02-30": want a day such as 2026-11-03`,
		`people.csv:2: valid_to "soon": want a day such as 2026-11-03`,
		`people.csv:3: 2 fields: want 4, as in the header`,
		`people.csv:4: no id`,
		`people.csv:5: id "metabase:9": want a name, an email or a team`,
		`people.csv:6: id "metabase:10": email "nobody": want an address such as rosa@example.com`,
		`people.csv:7: id "metabase:11": valid_to 2026-02-01: want a day after valid_from 2026-02-01`,
		`people.csv:8: id "7": want PREFIX:NAME, such as session:rosa or metabase:7`,
		`people.csv:9: email "a\nb": want one line without control characters`,
		`people.csv:11: email "\xff@example.com": want UTF-8`,
		`people.csv:11: valid_to "1970-01-01": want a day such as 2026-11-03`,
		`people.csv:12: a quote in column 14 does not stand right: want the whole field in quotes, and those within it doubled`,
		`people.csv:13: 5 fields: want 4, as in the header`)
	f("id,email\nmetabase:7,\"rosa@example.com\nmetabase:8,ada@example.com\n",
		`people.csv:2: a quoted field that begins here is wrong in line 3: want it closed, and quotes within it doubled`)
	f("id,team\nmetabase:7,"+strings.Repeat("x", maxField+1)+"\n",
		`people.csv:2: team "`+strings.Repeat("x", 120)+`...": want at most 1024 bytes`)

	many := "id,email\n" + strings.Repeat("metabase:7,nobody\n", 50)
	_, err := ReadCSV(strings.NewReader(many), "people.csv")
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != 21 || lines[20] != "people.csv: 30 more mistakes" {
		t.Errorf("%d lines: %v", len(lines), err)
	}
}

func TestTooMuch(t *testing.T) {
	rows := io.MultiReader(strings.NewReader("id,team\n"), strings.NewReader(strings.Repeat("a:b,c\n", maxRows+1)))
	if _, err := ReadCSV(rows, "people.csv"); err == nil || err.Error() != "people.csv:200002: more than 200000 rows" {
		t.Errorf("rows: %v", err)
	}
	// One field without an end.
	field := io.MultiReader(strings.NewReader("id,team\na:b,\""), endless{})
	if _, err := ReadCSV(field, "people.csv"); err == nil || err.Error() != "people.csv: larger than 33554432 bytes" {
		t.Errorf("bytes: %v", err)
	}
	if _, err := ReadCSV(iotest.ErrReader(errors.New("disk on fire")), "people.csv"); err == nil || err.Error() != "read directory people.csv: disk on fire" {
		t.Errorf("read: %v", err)
	}
}

// endless is an x without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.csv")
	f := func(text, want string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := ReadFile(path)
		if d != nil || err == nil || err.Error() != path+want {
			t.Errorf("got %v\nwant %s%s", err, path, want)
		}
	}
	f("id,email\nmetabase:7,a@example.com\n\nmetabase:7,b@example.com\n", `:4: id "metabase:7" is in line 2 already, for days that overlap`)
	f("id,email\nmetabase:7,nobody\n", `:2: id "metabase:7": email "nobody": want an address such as rosa@example.com`)
	if _, err := ReadFile(path + ".gone"); err == nil || err.Error() != "read directory "+path+".gone: no such file or directory" {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(path, []byte("id,email,valid_to\nmetabase:7,Rosa@example.com,2026-07-01\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := d.Lookup("metabase:7", date(t, "2026-06-30")); !ok || e.Email != "rosa@example.com" {
		t.Errorf("got %+v, %v", e, ok)
	}
	if e, ok := d.Lookup("metabase:7", date(t, "2026-07-01")); ok {
		t.Errorf("on the day of valid_to: %+v", e)
	}
}

// FuzzReadCSV shows that whatever is read is within bounds and bears its line.
func FuzzReadCSV(f *testing.F) {
	f.Add("id,name,email,team,valid_from,valid_to\nmetabase:7,\"Rosa, R.\",rosa@example.com,Growth,2026-01-01,2026-07-01\n# x\n\nsession:a,,,b,,\n")
	f.Add("\ufeffid,team\r\n\"a:\"\"b\",c\r\n")
	f.Add("id,team\na:b,\"c\nd\"\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := ReadCSV(strings.NewReader(text), "f.csv")
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "f.csv:") {
					t.Errorf("error without a place: %q", line)
				}
			}
			return
		}
		lines, last := strings.Count(text, "\n")+1, 1
		for _, e := range entries {
			if e.Line <= last || e.Line > lines || e.ID == "" || e.Name+e.Email+e.Team == "" || len(e.Name) > maxField {
				t.Errorf("entry %+v behind line %d", e, last)
			}
			last = e.Line
		}
	})
}
