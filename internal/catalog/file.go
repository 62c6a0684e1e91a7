package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// A File is what somebody keeps of tables or grants.
type File struct {
	Kind    string // of its references
	Version string // 16 hex digits of the content's hash

	// Listings are by account and region, the day being zero. What a row does not
	// tell is [athenatrail.UnknownName], and holds in every one.
	Listings map[athenatrail.Partition]*Listing
}

// tableColumns are those that a file of tables may have, in any order.
var tableColumns = []string{"account_id", "region_name", "catalog", "database", "table", "type", "format", "compression", "partition_columns", "column_count", "bytes", "rows", "created", "updated"}

// grantColumns are those that a file of grants may have, in any order.
var grantColumns = []string{"account_id", "region_name", "principal", "table", "permissions"}

// ReadTables reads a CSV file of tables with the columns of tableColumns, of
// which database and table are needed. Partition columns are separated by
// blanks; created and updated are days or RFC 3339. All mistakes, up to twenty,
// are reported with file and line, joined.
func ReadTables(path string) (*File, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	f := newFile(athenatrail.KindTable, data)
	s := newSheet(path, data, tableColumns, []string{"database", "table"})
	rows := 0
	for s.next() {
		if rows++; rows > maxTables {
			s.add(s.line, "more than %d tables", maxTables)
			break
		}
		before := s.count()
		place := s.place()
		t := Table{
			From: FromFile, Type: strings.ToLower(s.get("type")), Format: strings.ToLower(s.get("format")), Compression: strings.ToLower(s.get("compression")),
			Bytes: s.number("bytes"), Rows: s.number("rows"), Created: s.moment("created"), Updated: s.moment("updated"),
			PartitionColumns: strings.Fields(strings.ToLower(s.get("partition_columns"))),
		}
		if n := s.number("column_count"); n != nil {
			t.ColumnCount = int(min(*n, maxColumns))
		}
		if t.Type == "" {
			t.Type = TypeTable
		}
		catalog := s.get("catalog")
		if catalog == "" {
			catalog = sqlref.GlueCatalog
		}
		name, ok := tableName(catalog, s.get("database"), s.get("table"))
		if !ok && s.count() == before {
			s.wrong("table", s.get("database")+"."+s.get("table"), "a database and a table, each of 1 to 255 bytes")
		}
		if s.count() == before && !f.take(place, athenatrail.Reference{Kind: f.Kind, ID: name, Answer: encode(t)}) {
			s.add(s.line, "table %s stands here twice", clip(name))
		}
	}
	return f.done(s.err())
}

// ReadGrants reads who holds access: the JSON that "aws lakeformation
// list-permissions" prints, or a CSV file with the columns of grantColumns. In
// the latter a table is database.table, catalog.database.table, or with * for
// all tables of a database, and permissions are separated by blanks.
func ReadGrants(path string) (*File, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	f := newFile(athenatrail.KindGrant, data)
	if start := bytes.TrimLeft(data, " \t\r\n\ufeff"); len(start) > 0 && (start[0] == '{' || start[0] == '[') {
		return f.done(f.listed(path, start))
	}
	s := newSheet(path, data, grantColumns, []string{"principal", "table", "permissions"})
	grants := map[athenatrail.Partition][]Grant{}
	rows := 0
	for s.next() {
		if rows++; rows > maxGrants {
			s.add(s.line, "more than %d rows", maxGrants)
			break
		}
		before := s.count()
		place := s.place()
		g := Grant{From: FromFile, Principal: s.get("principal"), Permissions: strings.Fields(strings.ToUpper(s.get("permissions")))}
		if said := s.get("table"); s.count() == before && !g.on(said) {
			s.wrong("table", said, "database.table, catalog.database.table, or database.* for all its tables")
		}
		if s.count() == before && (g.Principal == "" || len(g.Permissions) == 0) {
			s.add(s.line, "want a principal and its permissions, such as SELECT")
		}
		if s.count() == before {
			grants[place] = append(grants[place], g)
		}
	}
	for place, list := range grants {
		f.Listings[place] = &Listing{Kind: f.Kind, From: FromFile, References: merged(list), whole: true}
	}
	return f.done(s.err())
}

// on reads what a grant is on.
func (g *Grant) on(said string) (ok bool) {
	ref, ok := sqlref.ParseRef(strings.ToLower(said))
	if !ok || ref.Database == "" {
		return false
	}
	if ref.Catalog == "" {
		ref.Catalog = sqlref.GlueCatalog
	}
	g.Scope = ScopeTable
	if ref.Table == "" {
		g.Scope = ScopeTables
	}
	g.Resource = ref.String()
	return true
}

// listed reads the answer of ListPermissions as the command line prints it,
// whole or its list alone.
func (f *File) listed(path string, data []byte) error {
	type resource struct {
		CatalogID, DatabaseName, Name, TableName, TableCatalogID string
		TableWildcard                                            *struct{}
	}
	type entry struct {
		Principal struct {
			DataLakePrincipalIdentifier string
		}
		Resource struct {
			Table, TableWithColumns, DataCellsFilter, Database *resource
		}
		Permissions, PermissionsWithGrantOption []string
	}
	list := []entry{}
	var err error
	if data[0] == '[' {
		err = json.Unmarshal(data, &list)
	} else {
		var whole struct {
			PrincipalResourcePermissions *[]entry
			NextToken                    string
		}
		err = json.Unmarshal(data, &whole)
		switch {
		case err != nil:
		case whole.PrincipalResourcePermissions == nil:
			return fmt.Errorf("%s:1: no PrincipalResourcePermissions: want what aws lakeformation list-permissions prints", path)
		case whole.NextToken != "":
			return fmt.Errorf("%s:1: there is more behind NextToken: want the whole list, without --max-items and --no-paginate", path)
		default:
			list = *whole.PrincipalResourcePermissions
		}
	}
	if err != nil {
		return fmt.Errorf("%s:%d: %w", path, lineOf(data, err), err)
	}
	grants := map[athenatrail.Partition][]Grant{}
	for i := range list {
		e := &list[i]
		g := Grant{From: FromFile, Principal: cleaned(e.Principal.DataLakePrincipalIdentifier, maxText)}
		account, ok := "", false
		switch t := e.Resource; {
		case t.Table != nil && (t.Table.TableWildcard != nil || t.Table.Name == allTablesName), t.TableWithColumns != nil && t.TableWithColumns.Name == allTablesName:
			r := t.Table
			if r == nil {
				r = t.TableWithColumns
			}
			g.Scope, account = ScopeTables, r.CatalogID
			g.Resource, ok = allTables(sqlref.GlueCatalog, r.DatabaseName)
		case t.Table != nil:
			g.Scope, account = ScopeTable, t.Table.CatalogID
			g.Resource, ok = tableName(sqlref.GlueCatalog, t.Table.DatabaseName, t.Table.Name)
		case t.TableWithColumns != nil:
			g.Scope, account = ScopeTable, t.TableWithColumns.CatalogID
			g.Resource, ok = tableName(sqlref.GlueCatalog, t.TableWithColumns.DatabaseName, t.TableWithColumns.Name)
		case t.DataCellsFilter != nil:
			g.Scope, account = ScopeTable, t.DataCellsFilter.TableCatalogID
			g.Resource, ok = tableName(sqlref.GlueCatalog, t.DataCellsFilter.DatabaseName, t.DataCellsFilter.TableName)
		case t.Database != nil:
			g.Scope, account = ScopeDatabase, t.Database.CatalogID
			g.Resource, ok = allTables(sqlref.GlueCatalog, t.Database.Name)
		}
		for _, word := range e.Permissions {
			g.Permissions = append(g.Permissions, permission(word))
		}
		for _, word := range e.PermissionsWithGrantOption {
			g.Grantable = append(g.Grantable, permission(word))
		}
		if !ok || g.Principal == "" || len(g.Permissions) == 0 {
			continue // on a place, a tag or the catalog itself
		}
		place := athenatrail.NewPartition(time.Unix(0, 0), account, "")
		if grants[place] = append(grants[place], g); len(grants[place]) > maxGrants {
			return fmt.Errorf("%s:1: more than %d permissions", path, maxGrants)
		}
	}
	for place, list := range grants {
		f.Listings[place] = &Listing{Kind: f.Kind, From: FromFile, References: merged(list), whole: true}
	}
	return nil
}

// lineOf returns the line in which JSON goes wrong.
func lineOf(data []byte, err error) int {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	offset := int64(len(data))
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	}
	return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n"))
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("read catalog %s: %w", path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read catalog %s: %w", path, err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("read catalog %s: larger than %d bytes", path, maxFile)
	}
	return data, nil
}

func newFile(kind string, data []byte) *File {
	sum := sha256.Sum256(data)
	return &File{Kind: kind, Version: hex.EncodeToString(sum[:8]), Listings: map[athenatrail.Partition]*Listing{}}
}

// take adds a reference, and reports whether it is the first of its id.
func (f *File) take(place athenatrail.Partition, r athenatrail.Reference) bool {
	l := f.Listings[place]
	if l == nil {
		l = &Listing{Kind: f.Kind, From: FromFile, whole: true, seen: map[string]bool{}}
		f.Listings[place] = l
	}
	if l.seen[r.ID] {
		return false
	}
	l.seen[r.ID] = true
	l.References = append(l.References, r)
	return true
}

func (f *File) done(err error) (*File, error) {
	if err != nil {
		return nil, err
	}
	for _, l := range f.Listings {
		l.References, l.seen = sorted(l.References), nil
	}
	return f, nil
}

// At returns what the file says of a place, which may be that there is nothing.
func (f *File) At(place athenatrail.Partition) Listing {
	if l := f.Listings[place.On(0)]; l != nil {
		return *l
	}
	return Listing{Kind: f.Kind, From: FromFile, whole: true}
}

// Places returns the accounts and regions of the file in order.
func (f *File) Places() []athenatrail.Partition {
	places := make([]athenatrail.Partition, 0, len(f.Listings))
	for p := range f.Listings {
		places = append(places, p)
	}
	slices.SortFunc(places, athenatrail.Partition.Compare)
	return places
}

var (
	accountForm = regexp.MustCompile(`^([0-9]{12})?$`)
	regionForm  = regexp.MustCompile(`^([a-z]{2,8}(-[a-z]+)+-[0-9]{1,2})?$`)
)

// place reads account and region of a row; empty is every one.
func (s *sheet) place() athenatrail.Partition {
	account, region := s.get("account_id"), s.get("region_name")
	if !accountForm.MatchString(account) {
		s.wrong("account_id", account, "12 digits; a spreadsheet may have taken leading zeros away")
	}
	if !regionForm.MatchString(region) {
		s.wrong("region_name", region, "a region such as eu-west-1")
	}
	return athenatrail.NewPartition(time.Unix(0, 0), account, region)
}

func (s *sheet) number(column string) *int64 {
	text := s.get(column)
	if text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		s.wrong(column, text, "a whole number")
		return nil
	}
	return &n
}

// moment reads a day or a time, and returns it in RFC 3339.
func (s *sheet) moment(column string) string {
	text := s.get(column)
	if text == "" {
		return ""
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return timeText(&day)
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || timeText(&at) == "" {
		s.wrong(column, text, "a day such as 2026-11-03, or a time such as 2026-11-03T04:05:06Z")
		return ""
	}
	return timeText(&at)
}
