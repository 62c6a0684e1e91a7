package sqllex

import (
	"iter"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestTokens(t *testing.T) {
	f := func(sql string, want ...string) {
		t.Helper()
		var got []string
		for tok := range Tokens(sql) {
			got = append(got, [...]string{"w", "q", "t", "n", "c", "s"}[tok.Kind]+tok.Text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", sql, d)
		}
	}
	f("")
	f("SELECT 1", "wSELECT", "n1")
	f("select 'it''s -- no', \"a\"\"b\", `c d` -- yes\n, x", "wselect", "t'it''s -- no'", "s,", `q"a""b"`, "s,", "q`c d`", "c-- yes", "s,", "wx")
	f("/* a /* b */ c */", "c/* a /* b */", "wc", "s*", "s/")
	f("a.b.\"c$partitions\"", "wa", "s.", "wb", "s.", `q"c$partitions"`)
	f("1.5e-3+.5-2e", "n1.5e-3", "s+", "n.5", "s-", "n2", "we")
	f("a->b => c <> d||e", "wa", "s->", "wb", "s=>", "wc", "s<>", "wd", "s||", "we")
	f("'open", "t'open")
	f("/* open", "c/* open")
	f("-- open", "c-- open")
	f("é\u00a0ü", "wé", "wü")
	f("f(?)", "wf", "s(", "s?", "s)")
}

func TestHive(t *testing.T) {
	f := func(sql string, want ...string) {
		t.Helper()
		var got []string
		for tok := range Hive(sql) {
			got = append(got, tok.Text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", sql, d)
		}
	}
	f(`'\'' "\"" 'a''b' x`, `'\''`, `"\""`, `'a''b'`, "x")
	f(`'\\' y`, `'\\'`, "y")
	f("`\\` z", "`\\`", "z") // a backslash in a name is part of it
	f(`'open\'`, `'open\'`)
	f(`'open\`, `'open\`)
}

// FuzzTokens checks that nothing of the text is lost or repeated.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{"SELECT 'a' -- b", "/*", "'", "\"\"\"", "\xff\xfe", "1e", "--\n--", "\ufeffselect"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		whole(t, sql, Tokens(sql))
		whole(t, sql, Hive(sql))
	})
}

func whole(t *testing.T, sql string, tokens iter.Seq[Token]) {
	at := 0
	for tok := range tokens {
		if tok.Start < at || tok.End <= tok.Start || tok.Text != sql[tok.Start:tok.End] {
			t.Fatalf("token %+v after %d", tok, at)
		}
		between := sql[at:tok.Start]
		if strings.TrimFunc(between, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }) != "" {
			t.Fatalf("lost %q", between)
		}
		at = tok.End
	}
	if strings.TrimFunc(sql[at:], func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }) != "" {
		t.Fatalf("lost %q", sql[at:])
	}
}
