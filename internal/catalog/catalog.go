// Package catalog lists what tables there are and who holds access to them: of
// the Glue Data Catalog and of Lake Formation, in one account and region, or
// of files that somebody keeps for accounts where neither may be asked.
//
// Of a table only what reports need is kept: its name, type, format, columns'
// names, partition columns, place, size and dates. Comments, owners, and the
// text of views are not. Of a grant, who holds what on which table or
// database.
package catalog

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// Bounds of what is taken from an account and region.
const (
	maxTables  = 100_000
	maxGrants  = 200_000
	maxName    = 255    // bytes of a database, table or column; what Glue allows
	maxColumns = 10_000 // of a table
	maxNames   = 64 << 10
	maxText    = 1024 // bytes of a location or a principal
)

// Where an answer is from.
const (
	FromGlue          = "glue"
	FromLakeFormation = "lake_formation"
	FromFile          = "file"
)

// Types of a table. Another type of Glue's is kept in its own words, in lower
// case.
const (
	TypeTable = "table"
	TypeView  = "view"
	TypeLink  = "link" // a name for a table of another account or database
)

// A Table is what an answer says of a table, as it is stored.
type Table struct {
	Bytes            *int64   `json:",omitempty"` // as the catalog's statistics tell
	ColumnCount      int      `json:",omitempty"` // without the partition columns
	Columns          []string `json:",omitempty"` // their names; none where they are too many
	Compression      string   `json:",omitempty"` // of text files, as a crawler found it: none, gzip, ...
	Created          string   `json:",omitempty"` // RFC 3339, UTC
	Format           string   `json:",omitempty"` // see formatOf
	From             string   // FromGlue or FromFile
	Gone             bool     `json:",omitempty"` // the catalog does not have it any more; the rest is empty
	Location         string   `json:",omitempty"` // without a query or a password
	PartitionColumns []string `json:",omitempty"`
	Rows             *int64   `json:",omitempty"`
	Type             string   `json:",omitempty"`
	Updated          string   `json:",omitempty"` // of the catalog's entry; RFC 3339, UTC
}

// A Grant is what an answer says of a principal's access, as it is stored.
type Grant struct {
	From        string   // FromLakeFormation or FromFile
	Gone        bool     `json:",omitempty"` // taken back; the rest is empty but for Principal and Resource
	Grantable   []string `json:",omitempty"` // those of Permissions that may be passed on
	Permissions []string `json:",omitempty"` // Lake Formation's words: SELECT, DESCRIBE, ALL, ...
	Principal   string   // an ARN, an account id, or IAM_ALLOWED_PRINCIPALS
	Resource    string   // catalog.database.table; catalog.database.* of all its tables
	Scope       string   `json:",omitempty"` // table, tables or database
}

// Scopes of a grant. Only the first two give access to rows.
const (
	ScopeTable    = "table"
	ScopeTables   = "tables"
	ScopeDatabase = "database" // to its entry in the catalog; Resource is as of ScopeTables
)

// A Listing is what is known of one account and region.
type Listing struct {
	Kind string // athenatrail.KindTable or athenatrail.KindGrant
	From string

	// References have a kind, an id and an answer, and no partition. They are
	// in the order of their ids, which are unique.
	References []athenatrail.Reference

	// Problems say what could not be listed, each with the missing permission
	// where that is why.
	Problems []error

	// whole tells that what is missing is not there, but for the databases of
	// unlisted.
	whole    bool
	unlisted map[string]bool // "awsdatacatalog.name."
	seen     map[string]bool // ids, while a file is read
}

// Lacks tells whether the reference of that id, which was there before, is
// known not to be there any more.
func (l *Listing) Lacks(id string) bool {
	if !l.whole {
		return false
	}
	for prefix := range l.unlisted {
		if strings.HasPrefix(id, prefix) {
			return false
		}
	}
	_, found := slices.BinarySearchFunc(l.References, id, func(r athenatrail.Reference, id string) int { return strings.Compare(r.ID, id) })
	return !found
}

// GoneFrom returns the answer that says that what was there before is not any
// more, and false where the answer before is not of that origin, or says so
// already.
func GoneFrom(from string, before athenatrail.Reference) (answer string, ok bool) {
	switch before.Kind {
	case athenatrail.KindTable:
		var t Table
		if json.Unmarshal([]byte(before.Answer), &t) != nil || t.Gone || t.From != from {
			return "", false
		}
		return encode(Table{From: from, Gone: true}), true
	case athenatrail.KindGrant:
		var g Grant
		if json.Unmarshal([]byte(before.Answer), &g) != nil || g.Gone || g.From != from {
			return "", false
		}
		return encode(Grant{From: from, Gone: true, Principal: g.Principal, Resource: g.Resource, Scope: g.Scope}), true
	}
	return "", false
}

// IsFrom tells whether an answer is of that origin.
func IsFrom(from string, r *athenatrail.Reference) bool {
	var x struct{ From string }
	return json.Unmarshal([]byte(r.Answer), &x) == nil && x.From == from
}

// encode writes an answer: JSON with the members in their order, without white
// space. Both structs have theirs in the order of the alphabet.
func encode(answer any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(answer); err != nil {
		panic(err) // texts, numbers and lists of them have a JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// grantID names a grant: the principal and the resource, as one text.
func grantID(g *Grant) string { return g.Principal + " " + g.Scope + " " + g.Resource }

// tableName returns the full name of a table of Glue's, and whether it can be
// one.
func tableName(catalog, database, table string) (string, bool) {
	for _, part := range []string{database, table} {
		if part == "" || len(part) > maxName || cleaned(part, maxName) != part {
			return "", false
		}
	}
	ref := sqlref.Ref{Catalog: strings.ToLower(catalog), Database: strings.ToLower(database), Table: strings.ToLower(table)}
	return ref.String(), true
}

// allTables returns the name of all tables of a database of Glue's.
func allTables(catalog, database string) (string, bool) {
	if database == "" || cleaned(database, maxName) != database {
		return "", false
	}
	return sqlref.Ref{Catalog: strings.ToLower(catalog), Database: strings.ToLower(database)}.String(), true
}

// sorted puts references in the order of their ids, and keeps the first of
// those that have one id.
func sorted(list []athenatrail.Reference) []athenatrail.Reference {
	slices.SortStableFunc(list, func(a, b athenatrail.Reference) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(list, func(a, b athenatrail.Reference) bool { return a.ID == b.ID })
}

// merged makes one grant of those with one principal and resource: Lake
// Formation tells columns and filters apart, which reports do not.
func merged(grants []Grant) []athenatrail.Reference {
	byID := map[string]*Grant{}
	var ids []string
	for i := range grants {
		g := &grants[i]
		id := grantID(g)
		if old := byID[id]; old != nil {
			old.Permissions = append(old.Permissions, g.Permissions...)
			old.Grantable = append(old.Grantable, g.Grantable...)
			continue
		}
		byID[id] = g
		ids = append(ids, id)
	}
	list := make([]athenatrail.Reference, 0, len(ids))
	for _, id := range ids {
		g := byID[id]
		g.Permissions, g.Grantable = words(g.Permissions), words(g.Grantable)
		list = append(list, athenatrail.Reference{Kind: athenatrail.KindGrant, ID: id, Answer: encode(g)})
	}
	return sorted(list)
}

// words returns permissions in order, each once.
func words(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// cleaned bounds a text, and keeps it to one line without control characters.
func cleaned(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

func timeText(at *time.Time) string {
	if at == nil || at.IsZero() || at.Year() < 1 || at.Year() > 9999 {
		return ""
	}
	return at.UTC().Truncate(time.Second).Format(time.RFC3339)
}
