package main

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail/internal/demo"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// readsOf returns the tables that a start read and did not change.
func readsOf(x demo.Truth) []string {
	if x.SQL == "" || x.Gap == "expired" || x.Gap == "not_started" || x.StatementType == "UTILITY" && x.Substatement != "EXPLAIN_ANALYZE" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(x.Reads), func(table string) bool { return slices.Contains(x.Writes, table) })
}

func placed(table, account, region string) string { return keyed(table, account, region) }

// catalogRules are those that need to know what the catalog says of tables.
func catalogRules(company *demo.Company) map[string]findingRule {
	tables := map[string]demo.CatalogTable{}
	for _, c := range company.Catalog() {
		tables[placed("awsdatacatalog."+c.Name, c.AccountID, c.Region)] = c
	}
	only := func(x demo.Truth) string { // the one table that it read
		if reads := readsOf(x); len(reads) == 1 {
			return placed(reads[0], x.AccountID, x.Region)
		}
		return ""
	}
	isText := func(x demo.Truth) bool {
		return x.StatementType == "DML" && nano(x) > 0 && slices.Contains([]string{"csv", "json"}, tables[only(x)].Format)
	}
	filters := func(x demo.Truth, c demo.CatalogTable) bool {
		return slices.ContainsFunc(c.PartitionColumns, func(name string) bool { return strings.Contains(strings.ToLower(x.SQL), name) })
	}
	return map[string]findingRule{
		demo.FindingTextFormats: {only, func(truths []demo.Truth) map[string]due {
			list := sumBy(truths, isText, only, nano, func(d due, _ []demo.Truth) bool { return d.times >= 10 && d.saving >= 1_000_000_000 })
			for key, d := range list {
				d.saving = int64(math.Round(float64(d.saving) * 2 / 3))
				list[key] = d
			}
			return list
		}},
		"unfiltered_partitions": {fingerprintKey, func(truths []demo.Truth) map[string]due {
			type usual struct{ bytes, n float64 }
			usually := map[string]usual{}
			each := func(do func(x demo.Truth, key string, c demo.CatalogTable)) {
				for _, x := range truths {
					if x.StatementType != "DML" || x.Probe || x.ScannedBytes == nil || *x.ScannedBytes == 0 {
						continue
					}
					for _, table := range readsOf(x) {
						key := placed(table, x.AccountID, x.Region)
						if c := tables[key]; len(c.PartitionColumns) > 0 {
							do(x, key, c)
						}
					}
				}
			}
			each(func(x demo.Truth, key string, c demo.CatalogTable) {
				if filters(x, c) {
					u := usually[key]
					usually[key] = usual{u.bytes + float64(*x.ScannedBytes), u.n + 1}
				}
			})
			out := map[string]due{}
			each(func(x demo.Truth, key string, c demo.CatalogTable) {
				if filters(x, c) || *x.ScannedBytes < 10_000_000_000 {
					return
				}
				d := out[fingerprintKey(x)]
				d.times++
				if u := usually[key]; u.n > 0 {
					d.saving += int64(math.Round(float64(nano(x)) * max(0, 1-u.bytes/u.n/float64(*x.ScannedBytes))))
				}
				out[fingerprintKey(x)] = d
			})
			return out
		}},
	}
}

// unusedAgrees compares the tables that nobody read with the truth and the
// catalog.
func unusedAgrees(t *testing.T, dir string, company *demo.Company) {
	read, touched := map[string]bool{}, map[string]bool{}
	for _, x := range company.Truths() {
		if x.QueryExecutionID == "" || x.SQL == "" || x.Gap == "expired" || x.Probe {
			continue
		}
		for _, table := range readsOf(x) {
			read[placed(table, x.AccountID, x.Region)], touched[placed(table, x.AccountID, x.Region)] = true, true
		}
		for _, table := range x.Writes {
			touched[placed(table, x.AccountID, x.Region)] = true
		}
	}
	type row struct {
		Table   string `json:"table_name"`
		Account string `json:"account_id"`
		Region  string `json:"region_name"`
		From    string `json:"known_from"`
		Format  string `json:"table_format"`
		Bytes   int64  `json:"table_bytes"`
	}
	got := map[string]row{}
	for _, r := range page[row](t, dir, "unused") {
		key := placed(r.Table, r.Account, r.Region)
		if got[key] = r; read[key] || !touched[key] && r.From != "catalog" {
			t.Errorf("%+v: read %t, touched %t", r, read[key], touched[key])
		}
	}
	unread, never := 0, 0
	for _, c := range company.Catalog() {
		key := placed("awsdatacatalog."+c.Name, c.AccountID, c.Region)
		r, listed := got[key]
		if listed == read[key] {
			t.Errorf("%+v: listed %t, read %t", c, listed, read[key])
			continue
		}
		if !listed {
			continue
		}
		unread++
		from := "both"
		if !touched[key] {
			never++
			from = "catalog"
		}
		if r.From != from || r.Format != c.Format || r.Bytes != c.Bytes {
			t.Errorf("%+v, want %+v from %s", r, c, from)
		}
	}
	if never < 5 || unread == never && len(got) == unread {
		t.Errorf("%d tables of the catalog are not read, %d of them not named: the test shows little", unread, never)
	}
}

// unusedAccessAgrees compares who holds access and did not read with the truth.
func unusedAccessAgrees(t *testing.T, dir string, company *demo.Company) {
	holder := func(x demo.Truth) string {
		parts := strings.Split(x.Principal, "/")
		return parts[0] + "/" + parts[min(1, len(parts)-1)]
	}
	uses := func(g demo.Grant) bool {
		account := "arn:aws:sts::" + demo.Finance + ":assumed-role/"
		name := g.Principal[strings.LastIndexByte(g.Principal, '/')+1:]
		for _, x := range company.Truths() {
			if x.AccountID != demo.Finance || x.QueryExecutionID == "" || x.Probe {
				continue
			}
			switch {
			case strings.Contains(g.Principal, ":role/") && holder(x) != account+name, strings.Contains(g.Principal, ":user/") && x.Principal != g.Principal:
				continue
			}
			for _, table := range readsOf(x) {
				ref, _ := sqlref.ParseRef(table)
				if ref.Database == g.Database && (g.Table == "" || ref.Table == g.Table) {
					return true
				}
			}
		}
		return false
	}
	type row struct {
		Table     string `json:"table_name"`
		Principal string `json:"principal"`
		LastUsed  string `json:"last_used"`
	}
	got := map[string]bool{}
	for _, r := range page[row](t, dir, "unused-access") {
		got[r.Principal+" "+r.Table] = true
		if r.LastUsed != "" && strings.Contains(r.Principal, "former") {
			t.Errorf("%+v was never there", r)
		}
	}
	unused := 0
	for _, g := range company.Grants() {
		table := g.Table
		if table == "" {
			table = "*"
		}
		key := g.Principal + " awsdatacatalog." + g.Database + "." + table
		reads := slices.Contains(g.Permissions, "SELECT") || slices.Contains(g.Permissions, "ALL")
		want := reads && !uses(g)
		if want {
			unused++
		}
		if got[key] != want {
			t.Errorf("%+v: listed %t, want %t", g, got[key], want)
		}
		delete(got, key)
	}
	if len(got) > 0 || unused < 4 {
		t.Errorf("%d unused grants; of no grant: %v", unused, got)
	}
}
