// Package sqlref finds the tables that a statement of Athena names, and a
// fingerprint by which the runs of one query are known whatever its literals.
//
// It is no parser: it follows the few words that stand before a table and
// keeps, for each open parenthesis, which part of a query it is in, and which
// names of WITH are seen there. So it takes any text, in time and memory that
// grow with the text's length, and what it does not know names nothing.
//
//	refs := sqlref.Parse(`SELECT * FROM sales.orders JOIN "Users" USING (id)`)
//	refs.Names()                  // sales.orders, users
//	refs.In("", "crm").Names()    // awsdatacatalog.crm.users, awsdatacatalog.sales.orders
package sqlref

import (
	"cmp"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// GlueCatalog is the catalog of Glue's own tables, which is AwsDataCatalog in
// SQL and in the Athena API.
const GlueCatalog = "awsdatacatalog"

const (
	// maxText is what is looked at of SQL, in bytes. Athena takes 262,144.
	maxText = 1 << 20
	// maxRefs is how many tables are told of one text.
	maxRefs = 1000
	// maxName is the length of a part of a name, in bytes, that is taken for
	// one; Glue allows 255.
	maxName = 255
)

// A Ref is a table or view that a statement names, in lower case. Catalog, or
// Catalog and Database, are empty where the statement leaves them to the
// query's context. If Table is empty, the statement names the database alone,
// as SHOW TABLES IN and DROP DATABASE do.
type Ref struct {
	Catalog, Database, Table string

	// Read says that running the statement reads rows of the table, Write that
	// it changes the table, its rows or its entry in the catalog. DELETE,
	// UPDATE, MERGE and OPTIMIZE write their target and are not said to read
	// it. Both are false where the statement only speaks of the table: SHOW,
	// DESCRIBE, EXPLAIN without ANALYZE, PREPARE, the query of a new view.
	Read, Write bool
}

// Refs are the tables of a text, each once, sorted by name.
type Refs []Ref

// Parse returns what sql names. Where sql holds several statements, which Athena
// does not take, all count. Nil is the answer for what is not SQL, for a quote without end, and for more than a
// mebibyte.
func Parse(sql string) Refs {
	toks, _, ok := scan(sql)
	if !ok {
		return nil
	}
	p := parser{toks: toks, refs: map[Ref]int{}}
	p.text()
	return sorted(p.found)
}

// Tables returns what sql names where catalog and database are the query's
// context: Parse(sql).In(catalog, database).
func Tables(sql, catalog, database string) Refs { return Parse(sql).In(catalog, database) }

// In returns the refs with full names, for a query whose context names this
// catalog and database. An empty catalog is Glue's. An empty database leaves
// names that have none as they are.
func (r Refs) In(catalog, database string) Refs {
	catalog, database = lower(catalog), lower(database)
	if catalog == "" {
		catalog = GlueCatalog
	}
	full := slices.Clone(r)
	for i := range full {
		if full[i].Database == "" {
			full[i].Database = database
		}
		if full[i].Catalog == "" && full[i].Database != "" {
			full[i].Catalog = catalog
		}
	}
	return sorted(full)
}

// Names returns the names of the tables as [Ref.String] writes them, sorted.
func (r Refs) Names() []string {
	var names []string
	for _, ref := range r {
		if ref.Table != "" {
			names = append(names, ref.String())
		}
	}
	slices.Sort(names)
	return names
}

// Databases returns catalog.database of all refs whose database is known,
// each once, sorted.
func (r Refs) Databases() []string {
	var names []string
	for _, ref := range r {
		if ref.Database != "" {
			names = append(names, join(ref.Catalog, ref.Database))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// String returns the name as Parse, ParseRef and a person read it:
// catalog.database.table, database.table or table, a part in double quotes
// where it holds a dot, a quote or white space. A database alone ends in
// ".*".
func (r Ref) String() string {
	name := join(r.Catalog, r.Database, r.Table)
	if r.Table == "" {
		name += ".*"
	}
	return name
}

// ParseRef returns the ref that [Ref.String] wrote as s, without Read and
// Write, and whether s is one.
func ParseRef(s string) (Ref, bool) {
	s, database := strings.CutSuffix(s, ".*")
	var parts []string
	for s != "" {
		part, rest := "", ""
		if s[0] == '"' {
			end := 1
			for ; end < len(s); end++ {
				if s[end] != '"' {
					continue
				}
				if end+1 >= len(s) || s[end+1] != '"' {
					break
				}
				end++
			}
			if end >= len(s) {
				return Ref{}, false
			}
			part, rest = strings.ReplaceAll(s[1:end], `""`, `"`), s[end+1:]
		} else {
			end := strings.IndexByte(s, '.')
			if end < 0 {
				end = len(s)
			}
			part, rest = s[:end], s[end:]
		}
		if part == "" || rest != "" && (rest[0] != '.' || len(rest) == 1) {
			return Ref{}, false
		}
		parts = append(parts, part)
		s = strings.TrimPrefix(rest, ".")
	}
	if database {
		parts = append(parts, "")
	}
	return fromParts(parts)
}

// fromParts returns the ref with these parts, the table last.
func fromParts(parts []string) (Ref, bool) {
	switch len(parts) {
	case 1:
		return Ref{Table: parts[0]}, parts[0] != ""
	case 2:
		return Ref{Database: parts[0], Table: parts[1]}, parts[0] != ""
	case 3:
		return Ref{Catalog: parts[0], Database: parts[1], Table: parts[2]}, parts[0] != "" && parts[1] != ""
	}
	return Ref{}, false
}

func join(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if strings.ContainsAny(part, "\". \t\r\n*") {
			b.WriteString(`"` + strings.ReplaceAll(part, `"`, `""`) + `"`)
		} else {
			b.WriteString(part)
		}
	}
	return b.String()
}

// sorted sorts refs in place, and makes one of those with one name.
func sorted(refs Refs) Refs {
	slices.SortFunc(refs, func(a, b Ref) int {
		return cmp.Or(cmp.Compare(a.Catalog, b.Catalog), cmp.Compare(a.Database, b.Database), cmp.Compare(a.Table, b.Table))
	})
	n := 0
	for i, ref := range refs {
		if n > 0 && refs[n-1].Catalog == ref.Catalog && refs[n-1].Database == ref.Database && refs[n-1].Table == ref.Table {
			refs[n-1].Read = refs[n-1].Read || ref.Read
			refs[n-1].Write = refs[n-1].Write || ref.Write
			continue
		}
		refs[n] = refs[i]
		n++
	}
	return refs[:n]
}

// unquote returns what a token says as a name, in lower case, or "" if it is
// none: not closed, empty, too long.
func unquote(kind sqllex.Kind, text string) string {
	if kind == sqllex.Quoted {
		quote := text[:1]
		if len(text) < 3 || text[len(text)-1:] != quote {
			return ""
		}
		text = text[1 : len(text)-1]
		if strings.Contains(text, quote) {
			text = strings.ReplaceAll(text, quote+quote, quote)
		}
	}
	if len(text) > maxName {
		return ""
	}
	return lower(text)
}

func lower(s string) string { return strings.ToValidUTF8(strings.ToLower(s), "\ufffd") }
