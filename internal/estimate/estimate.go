// Package estimate says what a statement of SQL will likely scan and cost, from
// what its like did before:
//
//	Query -> Read -> Plan
//	         Plan -> History <- Run           what ran before
//	                 History -> Estimate      bytes and money: low, likely, high
//
// The runs of the same query, whatever its literals, tell most. Failing them,
// runs that read the same tables do, then what is read of each table alone, then
// the tables' sizes. Where none of these is known, the answer is that it is not
// known. It reads no clock and no file.
package estimate

import (
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail/internal/sqllex"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// A Query is what is to be estimated.
type Query struct {
	SQL               string
	Catalog, Database string // of its context; empty for Glue's, and for none
	Account, Region   string // empty for those in which it, or its like, ran most
}

// A Table is what a catalog tells of one.
type Table struct {
	Partitions []string // names of its partition columns, in lower case
	Bytes      *int64
}

// A Plan is what a query says of itself.
type Plan struct {
	Query

	Fingerprint string
	Reads       []string // tables, as catalog.database.table
	Tables      []string // that it reads or changes
	Scans       bool     // it is of a kind that scans: SELECT, INSERT, CREATE TABLE AS and the like
	Known       bool     // it is SQL of a kind that is known
}

// Read reads a query.
func Read(q Query) *Plan {
	p := &Plan{Query: q, Fingerprint: sqlref.Fingerprint(q.SQL)}
	for _, r := range sqlref.Tables(q.SQL, q.Catalog, q.Database) {
		if (r.Read || r.Write) && r.Table != "" {
			p.Tables = append(p.Tables, r.String())
		}
		if r.Read && r.Table != "" {
			p.Reads = append(p.Reads, r.String())
		}
	}
	slices.Sort(p.Reads)
	p.Reads = slices.Compact(p.Reads)
	slices.Sort(p.Tables)
	p.Tables = slices.Compact(p.Tables)
	p.Scans, p.Known = kindOf(q.SQL, len(p.Reads) > 0)
	return p
}

// kindOf tells by its first words whether a statement scans. Of CREATE and
// EXPLAIN it depends on whether they read (with reads, they do).
func kindOf(sql string, reads bool) (scans, known bool) {
	var words []string
	for t := range sqllex.Tokens(sql) {
		switch {
		case t.Kind == sqllex.Word:
			words = append(words, strings.ToLower(t.Text))
		case t.Kind == sqllex.Comment || t.Text == "(":
			continue
		}
		if t.Kind != sqllex.Word || len(words) == 3 {
			break
		}
	}
	if len(words) == 0 {
		return false, false
	}
	switch words[0] {
	case "select", "with", "insert", "merge", "update", "delete", "unload", "table", "values", "optimize", "execute":
		return true, true
	case "explain", "create":
		return reads, true
	case "show", "describe", "desc", "drop", "alter", "msck", "use", "set", "reset", "prepare", "deallocate", "vacuum", "grant", "revoke", "start", "commit", "rollback", "refresh":
		return false, true
	}
	return false, false
}

// Filtered tells of the tables that are partitioned whether SQL names one of
// the partition columns of each, so that it can filter by it. It returns nil
// where no table is partitioned, or SQL is empty.
func Filtered(sql string, tables []string, catalog map[string]Table) *bool {
	if sql == "" {
		return nil
	}
	partitioned := false
	var named map[string]bool
	for _, name := range tables {
		t, ok := catalog[name]
		if !ok || len(t.Partitions) == 0 {
			continue
		}
		partitioned = true
		if named == nil {
			named = names(sql)
		}
		if !slices.ContainsFunc(t.Partitions, func(column string) bool { return named[column] }) {
			return new(bool)
		}
	}
	if !partitioned {
		return nil
	}
	yes := true
	return &yes
}

// names returns the names that stand in SQL, in lower case.
func names(sql string) map[string]bool {
	found := map[string]bool{}
	for t := range sqllex.Tokens(sql) {
		switch t.Kind {
		case sqllex.Word:
			found[strings.ToLower(t.Text)] = true
		case sqllex.Quoted:
			found[strings.ToLower(t.Text[1:max(1, len(t.Text)-1)])] = true
		}
	}
	return found
}
