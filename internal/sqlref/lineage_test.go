package sqlref

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// otherwise are the statements of the list below where our answer is another,
// by the name of their test, and why.
var otherwise = map[string]string{
	"test_drop_tmp_tab_after_create":          "of several statements as one flow: tables between them are left out",
	"test_new_create_tab_as_tmp_table":        "of several statements as one flow",
	"test_drop":                               "a dropped table is written",
	"test_drop_view":                          "a dropped view is written",
	"test_alter_table_rename":                 "a renamed table is written, under both names",
	"test_select_from_quoted_table_with_dots": "the list has no names with dots; Trino takes it for one name",
}

// TestLineage compares with the tests of another tool, sqllineage, where they
// are about no language in particular, Hive or Athena.
func TestLineage(t *testing.T) {
	corpus := os.Getenv("ATHENATRAIL_CORPUS")
	if corpus == "" {
		t.Skip("ATHENATRAIL_CORPUS is not set")
	}
	data, err := os.ReadFile(filepath.Join(corpus, "sql", "lineage-expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		var c struct {
			SQL      string   `json:"sql"`
			Sources  []string `json:"sources"`
			Targets  []string `json:"targets"`
			Test     string   `json:"test"`
			Dialects []string `json:"dialects_param"`
		}
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		ours := len(c.Dialects) == 0 || slices.Contains(c.Dialects, "athena") || slices.Contains(c.Dialects, "hive")
		if c.Test == "" || c.SQL == "?" || !ours {
			continue
		}
		var reads []string
		refs := Parse(c.SQL)
		for _, ref := range refs {
			if ref.Read || !ref.Write {
				reads = append(reads, ref.String())
			}
		}
		same := slices.Equal(lowered(c.Sources), lowered(reads)) && slices.Equal(lowered(c.Targets), written(refs))
		if reason := otherwise[c.Test]; same == (reason != "") {
			t.Errorf("%s: %s\n got %v and written %v\nwant %v and written %v (%s)", c.Test, c.SQL, reads, written(refs), c.Sources, c.Targets, reason)
		}
		compared++
	}
	if compared < 75 {
		t.Errorf("compared %d statements only", compared)
	}
}

func lowered(names []string) []string {
	all := []string{}
	for _, name := range names {
		all = append(all, strings.ToLower(name))
	}
	slices.Sort(all)
	return all
}

// TestTPC checks that the queries of TPC-H and TPC-DS, in three editions, read
// tables of these benchmarks and nothing else: no alias, no name of WITH.
func TestTPC(t *testing.T) {
	corpus := os.Getenv("ATHENATRAIL_CORPUS")
	if corpus == "" {
		t.Skip("ATHENATRAIL_CORPUS is not set")
	}
	h := strings.Fields("customer lineitem nation orders part partsupp region supplier")
	ds := strings.Fields(`call_center catalog_page catalog_returns catalog_sales customer customer_address
		customer_demographics date_dim household_demographics income_band inventory item promotion reason ship_mode store
		store_returns store_sales time_dim warehouse web_page web_returns web_sales web_site`)
	for folder, tables := range map[string][]string{"sqlglot-tpc-h": h, "sqlglot-tpc-ds": ds, "sqllineage-tpcds": ds} {
		paths, err := filepath.Glob(filepath.Join(corpus, "sql", folder, "*.sql"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", folder, paths, err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			read := 0
			for _, ref := range Parse(string(data)) {
				if ref.Read {
					read++
				}
				if ref.Read && !slices.Contains(tables, ref.String()) {
					t.Errorf("%s: reads %s", path, ref)
				}
				if ref.Write && ref.String() != strings.TrimSuffix(filepath.Base(path), ".sql") {
					t.Errorf("%s: writes %s", path, ref)
				}
			}
			if read == 0 {
				t.Errorf("%s: reads nothing", path)
			}
		}
	}
}
