package sqlref

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// An answer is what the oracle says of a statement: see
// scripts/sqlref-oracle/oracle.py, which writes testdata/oracle.jsonl.
type answer struct {
	Source   string   `json:"source"` // a file of testdata, or of ATHENATRAIL_CORPUS/sql
	N        int      `json:"n"`      // the statement's number in it
	SHA256   string   `json:"sha256"`
	Unparsed string   `json:"unparsed"` // why the oracle says nothing
	Tables   []string `json:"tables"`
	Writes   []string `json:"writes"`
}

func (a answer) id() string { return fmt.Sprintf("%s#%d", a.Source, a.N) }

// A miss is a statement where our answer differs, and why it may.
type miss struct {
	ID     string   `json:"id"`
	SHA256 string   `json:"sha256"`
	Ours   []string `json:"ours"`
	Writes []string `json:"our_writes"`
	Reason string   `json:"reason"`
}

func lines[T any](t *testing.T, path string) []T {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		var v T
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatalf("%s: line %d: %v", path, len(all)+1, err)
		}
		all = append(all, v)
	}
	return all
}

// statements returns the statements of a text as the oracle numbers them.
func statements(sql string) []string {
	var all []string
	start, empty := 0, true
	end := func(to int) {
		if !empty {
			all = append(all, strings.Trim(sql[start:to], " \t\r\n\f\v"))
		}
		start, empty = to+1, true
	}
	for t := range sqllex.Tokens(sql) {
		switch {
		case t.Kind == sqllex.Symbol && t.Text == ";":
			end(t.Start)
		case t.Kind != sqllex.Comment:
			empty = false
		}
	}
	end(len(sql))
	return all
}

// needed is how many of the statements that the oracle parses must have the
// same tables.
const needed = 0.995

func TestOracle(t *testing.T) {
	corpus := os.Getenv("ATHENATRAIL_CORPUS")
	misses := map[string]miss{}
	for _, m := range lines[miss](t, "testdata/misses.jsonl") {
		misses[m.ID] = m
	}
	texts := map[string][]string{}
	total, same, skipped := 0, 0, 0
	differs := func(a answer, tables, writes []string) bool {
		return !slices.Equal(tables, a.Tables) || !slices.Equal(writes, a.Writes)
	}
	for _, a := range lines[answer](t, "testdata/oracle.jsonl")[1:] {
		path, ofCorpus := strings.CutPrefix(a.Source, "corpus/")
		switch {
		case !ofCorpus:
			path = filepath.Join("testdata", path)
		case corpus == "":
			skipped++
			continue
		default:
			path = filepath.Join(corpus, "sql", filepath.FromSlash(path))
		}
		if _, ok := texts[path]; !ok {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[path] = statements(strings.ToValidUTF8(string(data), "\ufffd"))
		}
		if a.N >= len(texts[path]) {
			t.Errorf("%s: no such statement", a.id())
			continue
		}
		sql := texts[path][a.N]
		if sum := sha256.Sum256([]byte(sql)); hex.EncodeToString(sum[:8]) != a.SHA256 {
			t.Errorf("%s: not the text that the oracle saw: run scripts/sqlref-oracle/oracle.py", a.id())
			continue
		}
		if a.Unparsed != "" {
			Parse(sql)
			continue
		}
		total++
		refs := Parse(sql)
		tables, writes := append([]string{}, refs.Names()...), written(refs)
		m, listed := misses[a.id()]
		delete(misses, a.id())
		switch {
		case !differs(a, tables, writes):
			same++
			if listed {
				t.Errorf("%s: listed as a miss, and the same now", a.id())
			}
		case !listed || m.SHA256 != a.SHA256:
			t.Errorf("%s:\n%s\n got %q written %q\nwant %q written %q", a.id(), sql, tables, writes, a.Tables, a.Writes)
		case !slices.Equal(tables, m.Ours) || !slices.Equal(writes, m.Writes) || m.Reason == "":
			t.Errorf("%s: another miss than the one listed: %q written %q", a.id(), tables, writes)
		}
	}
	for id := range misses {
		if corpus != "" || !strings.HasPrefix(id, "corpus/") {
			t.Errorf("%s: listed as a miss, and not among the oracle's answers", id)
		}
	}
	t.Logf("the same tables in %d of %d statements, %.2f %%", same, total, 100*float64(same)/float64(total))
	if float64(same) < needed*float64(total) {
		t.Errorf("fewer than %.1f %%", 100*needed)
	}
	if skipped > 0 {
		t.Logf("%d statements of the corpus not looked at: ATHENATRAIL_CORPUS is not set", skipped)
	}
}

func written(refs Refs) []string {
	all := []string{}
	for _, ref := range refs {
		if ref.Write && ref.Table != "" {
			all = append(all, ref.String())
		}
	}
	slices.Sort(all)
	return all
}
