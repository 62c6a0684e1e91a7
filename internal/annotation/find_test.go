package annotation

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// maxQuery is the longest text that Athena takes (Athena quotas, query string
// length).
const maxQuery = 262_144

// TestPlainCommentsBeforeAMarker is a property: white space and comments that
// are no markers do not change the note of a marker at the head.
func TestPlainCommentsBeforeAMarker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(specimens).Draw(t, "specimen")
		if s.place&head == 0 {
			t.Skip("not at the head")
		}
		text := rapid.StringMatching(`[a-z0-9 '"{}:,;=-]{0,40}`)
		before := strings.Join(rapid.SliceOfN(rapid.OneOf(
			rapid.SampledFrom([]string{" ", "\t", "\n", "\r\n", "\ufeff", "\u00a0"}),
			rapid.Map(text, func(s string) string { return "/* x" + s + " */" }),
			rapid.Map(text, func(s string) string { return "-- x" + s + "\n" }),
		), 0, 20).Draw(t, "before"), "")
		after := "\nSELECT 1" + rapid.SampledFrom([]string{"", ";", " -- x", "\n-- Metabase"}).Draw(t, "after")
		got, _ := (*Patterns)(nil).Find(before + s.comment + after)
		if !cmp.Equal(s.want, got, markOnly) || got.Offset != len(before) {
			t.Fatalf("got %+v", got)
		}
	})
}

// TestLiteralsDoNotCount is a property: the note of a query does not depend on
// what its literals and quoted names hold.
func TestLiteralsDoNotCount(t *testing.T) {
	var marks []string
	for _, s := range specimens {
		marks = append(marks, s.comment)
	}
	content := rapid.Map(rapid.SliceOfN(rapid.OneOf(
		rapid.SampledFrom(marks),
		rapid.SampledFrom([]string{"'", `"`, "`", "--", "/*", "*/", "\n", "\r", ";", `\`, "x", " "}),
	), 0, 8), func(s []string) string { return strings.Join(s, "") })
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.OneOf(
			rapid.SampledFrom(marks),
			rapid.SampledFrom([]string{"'", `"`, "`"}), // a literal
			rapid.SampledFrom([]string{"SELECT", "a", ",", ";", "(", "-- plain"}),
		), 1, 8).Draw(t, "parts")
		write := func(label string) string {
			b := strings.Builder{}
			b.WriteString(rapid.SampledFrom([]string{"SELECT\n"}).Draw(t, label+" first"))
			for _, part := range parts {
				if len(part) == 1 && strings.Contains("'\"`", part) {
					part += strings.ReplaceAll(content.Draw(t, label), part, part+part) + part
				}
				b.WriteString(part + "\n")
			}
			return b.String()
		}
		first, second := write("first"), write("second")
		a, _ := (*Patterns)(nil).Find(first)
		b, _ := (*Patterns)(nil).Find(second)
		a.Offset, b.Offset = 0, 0
		if a != b {
			t.Fatalf("%q\n%+v\n%q\n%+v", first, a, second, b)
		}
	})
}

// hostile are texts of the greatest length that are made to cost much.
func hostile() map[string]string {
	fill := func(before, piece, after string) string {
		return before + strings.Repeat(piece, (maxQuery-len(before)-len(after))/len(piece)) + after
	}
	looker := "-- Looker Query Context '{\"user_id\":6,\"x\":" + strings.Repeat("[", 7000) + "'\n"
	return map[string]string{
		"a long comment at the head":   fill("/* Username: ada@example.com, Query Hash: 1, x: ", "x", " */ SELECT 1"),
		"a long comment at the tail":   fill("SELECT 1 -- Hex query metadata: {\"project_id\":\"", "x", "\"}"),
		"a long comment that is open":  fill("SELECT 1 /*", "*", ""),
		"many empty comments":          fill("", "/**/", ""),
		"many lines":                   fill("", "--\n", ""),
		"many lines at the tail":       fill("SELECT 1\n", "-- {\"email\":}\n", ""),
		"many markers that are none":   fill("SELECT 1\n", looker, "a"),
		"many names":                   fill("SELECT ", "a,", " 1 -- b"),
		"many quotes":                  fill("", "'", " -- b"),
		"many openings":                fill("/* a */ SELECT 1 FROM ", "(", ""),
		"many openings, closed":        fill("SELECT 1 FROM ", "()", " LIMIT 0 -- a"),
		"many backslashes":             fill("-- a\nCREATE TABLE 'x", `\`, "'"),
		"many returns":                 fill("-- a", "\r", "-- b"),
		"deep JSON":                    "/* {\"app\": \"dbt\", \"x\": " + strings.Repeat("[", 8000) + " */ SELECT 1",
		"deep JSON that closes":        "/* {\"app\": \"x\", \"x\": " + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + "} */ SELECT 1",
		"many fields":                  "/* Username: a" + strings.Repeat(", K: v", 1300) + " */ SELECT 1",
		"many pairs of sqlcommenter's": "SELECT 1 /*" + strings.Repeat(`a='\'',`, 1100) + "*/",
	}
}

func TestHostile(t *testing.T) {
	own, err := NewPatterns([]Pattern{{"superset", `user=(?P<user>(?:[a-z]+[a-z]*)+)$`}, {"x", `(?P<detail>x*x*x*y)`}})
	if err != nil {
		t.Fatal(err)
	}
	for name, sql := range hostile() {
		for _, p := range []*Patterns{nil, own} {
			start := time.Now()
			if n, ok := p.Find(sql); ok {
				t.Errorf("%s: %+v", name, n)
			}
			Probe(sql)
			// It takes a few milliseconds; squares of the length would take minutes.
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s: took %v", name, took)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	f := func(before, after string, want bool) {
		t.Helper()
		for _, sql := range []string{
			before + "/* executed by dbt */" + after + "SELECT 1",
			"SELECT 1" + after + "/* executed by dbt */" + before,
		} {
			if _, ok := (*Patterns)(nil).Find(sql); ok != want {
				t.Errorf("%d and %d bytes: %v", len(before), len(after), ok)
			}
		}
	}
	f(strings.Repeat(" ", window-100), "", true)
	f(strings.Repeat(" ", window), "", false)
	f("", strings.Repeat(" ", maxQuery), true)
	f("/*"+strings.Repeat("x", maxComment)+"*/", "", true)
	marker := func(size int) string {
		return `/* {"app": "dbt", "node_id": "model.a.b", "x": "` + strings.Repeat("x", size-53) + `"} */`
	}
	n, ok := (*Patterns)(nil).Find(marker(maxComment) + "SELECT 1")
	if !ok || len(n.Comment) != maxComment {
		t.Errorf("%v, %d bytes", ok, len(n.Comment))
	}
	if _, ok := (*Patterns)(nil).Find(marker(maxComment+1) + "SELECT 1"); ok {
		t.Error("a comment above the bound is a marker")
	}
}

func TestNoAllocation(t *testing.T) {
	plain := "SELECT " + strings.Repeat("a, 'b', \"c\", ", 10_000) + "1 FROM t"
	probe := "/* x */ SELECT * FROM (" + plain + ") AS x WHERE 1 = 0 LIMIT 0;"
	if n := testing.AllocsPerRun(10, func() {
		if _, ok := (*Patterns)(nil).Find(plain); ok || Probe(plain) || !Probe(probe) {
			t.Fail()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzFind checks that a note lies in its text, that it holds nothing that
// cannot be, and that a text gives the same note again.
func FuzzFind(f *testing.F) {
	for _, s := range specimens {
		f.Add(s.comment + "\nSELECT 1")
		f.Add("SELECT 1\n" + s.comment)
	}
	f.Add("CREATE TABLE 'a\\' -- Metabase\n'")
	f.Add("-- a\r-- b\r\n/* */;;--")
	f.Add("SELECT 1 /*a='\\',b='%'*/")
	own, err := NewPatterns([]Pattern{{"superset", `^superset (?P<user>\S*) ?(?P<detail>.*)$`}, {"x", `(?P<detail>\d*)`}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		Probe(sql)
		for _, p := range []*Patterns{nil, own} {
			n, ok := p.Find(sql)
			if again, _ := p.Find(sql); again != n || ok != (n != Note{}) {
				t.Fatalf("%+v, then %+v", n, again)
			}
			if !ok {
				continue
			}
			if n.Offset < 0 || !strings.HasPrefix(sql[n.Offset:], n.Comment) || len(n.Comment) < 2 || len(n.Comment) > maxComment {
				t.Fatalf("%q at %d", n.Comment, n.Offset)
			}
			id, isID := strings.CutPrefix(n.User, n.Tool+":")
			if n.User != "" && (!printable(n.User, maxUser+maxTool+1) || strings.Contains(n.User, ":") != isID || isID && idOf(id) != id) {
				t.Fatalf("user %q of %s", n.User, n.Tool)
			}
			if n.Detail != "" && !printable(n.Detail, maxDetail) {
				t.Fatalf("detail %q", n.Detail)
			}
			if n.Tool == "" && n.User == "" {
				t.Fatalf("an empty note: %+v", n)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	body := "SELECT " + strings.Repeat("\"c\" AS x, 'text of a literal', f(a.b) + 1.5, ", maxQuery/46-10) + "1 FROM t"
	for _, c := range []struct{ name, sql string }{
		{"without comments", body},
		{"head", specimens[0].comment + body},
		{"tail", body + "\n" + specimens[7].comment},
		{"none", body + "\n-- thanks"},
		{"many comments", strings.Repeat("SELECT a -- hello\n, /* there */ 'b'\n", maxQuery/36)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.sql)))
			b.ReportAllocs()
			for b.Loop() {
				(*Patterns)(nil).Find(c.sql)
			}
		})
	}
	b.Run("probe", func(b *testing.B) {
		sql := "SELECT * FROM (" + body + ") x LIMIT 0"
		b.SetBytes(int64(len(sql)))
		b.ReportAllocs()
		for b.Loop() {
			Probe(sql)
		}
	})
}
