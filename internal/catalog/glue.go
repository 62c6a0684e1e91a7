package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// glueAtOnce is the most that GetDatabases and GetTables give a page (Glue web
// API reference).
const glueAtOnce = 100

// Tables lists the tables of the account's own Data Catalog in the region of
// cfg (GetDatabases, GetTables). A database that is not answered for, because
// it is federated, hidden by Lake Formation or a link to what is not shared any
// more, is among the listing's problems where permission is missing, and is
// otherwise left out; what was known of its tables stays. The error is for an
// account that says nothing at all.
func Tables(ctx context.Context, cfg aws.Config) (Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	api := glue.NewFromConfig(cfg, func(o *glue.Options) { o.HTTPClient = boundedClient{o.HTTPClient} })
	l := Listing{Kind: athenatrail.KindTable, From: FromGlue, whole: true, unlisted: map[string]bool{}}
	pace := newPace()
	databases, err := databasesOf(ctx, api, pace)
	if err != nil {
		return l, fmt.Errorf("list the databases of the Data Catalog: %w", err)
	}
	denied := map[string][]error{}
	for _, database := range databases {
		err := pace.pages(ctx, func(token *string) (*string, error) {
			out, err := api.GetTables(ctx, &glue.GetTablesInput{DatabaseName: &database.name, NextToken: token, MaxResults: aws.Int32(glueAtOnce)})
			if err != nil {
				return nil, err
			}
			for i := range out.TableList {
				if len(l.References) == maxTables {
					return nil, errFull
				}
				if ref, ok := reference(database.name, &out.TableList[i]); ok {
					l.References = append(l.References, ref)
				}
			}
			return out.NextToken, nil
		})
		if errors.Is(err, errFull) {
			l.whole = false
			l.Problems = append(l.Problems, fmt.Errorf("list the tables of the Data Catalog: there are more than %d: the rest is left out", maxTables))
			break
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return l, ctx.Err()
		}
		prefix, _ := allTables(sqlref.GlueCatalog, database.name)
		l.unlisted[strings.TrimSuffix(prefix, "*")] = true
		switch {
		case awsconn.BadCredentials(err):
			return l, fmt.Errorf("list the tables of database %q: %w", database.name, err)
		case database.elsewhere:
		case awsconn.Denied(err):
			denied[err.Error()] = append(denied[err.Error()], err)
		default:
			l.Problems = append(l.Problems, fmt.Errorf("list the tables of database %q: %w", cleaned(database.name, maxName), err))
		}
	}
	for _, text := range sortedKeys(denied) {
		l.Problems = append(l.Problems, fmt.Errorf("list the tables of %d of %d databases: %w", len(denied[text]), len(databases), denied[text][0]))
	}
	l.References = sorted(l.References)
	return l, nil
}

// A database is one whose tables are to be listed.
type database struct {
	name string

	// elsewhere tells that its tables are in another system or account, which
	// may not answer.
	elsewhere bool
}

func databasesOf(ctx context.Context, api *glue.Client, pace *pace) (list []database, err error) {
	seen := map[string]bool{}
	err = pace.pages(ctx, func(token *string) (*string, error) {
		out, err := api.GetDatabases(ctx, &glue.GetDatabasesInput{NextToken: token, MaxResults: aws.Int32(glueAtOnce)})
		if err != nil {
			return nil, err
		}
		for i := range out.DatabaseList {
			d := &out.DatabaseList[i]
			name := aws.ToString(d.Name)
			if _, ok := allTables(sqlref.GlueCatalog, name); !ok || seen[name] || len(list) == maxTables {
				continue
			}
			seen[name] = true
			list = append(list, database{name, d.FederatedDatabase != nil || d.TargetDatabase != nil})
		}
		return out.NextToken, nil
	})
	slices.SortFunc(list, func(a, b database) int { return strings.Compare(a.name, b.name) })
	return list, err
}

// reference keeps of a table what reports need.
func reference(database string, t *types.Table) (athenatrail.Reference, bool) {
	name, ok := tableName(sqlref.GlueCatalog, database, aws.ToString(t.Name))
	if !ok {
		return athenatrail.Reference{}, false
	}
	kept := Table{
		From: FromGlue, Type: typeOf(t),
		Created: timeText(t.CreateTime), Updated: timeText(t.UpdateTime),
		PartitionColumns: columnNames(t.PartitionKeys),
		Compression:      strings.ToLower(cleaned(t.Parameters["compressionType"], 40)),
		Bytes:            statistic(t.Parameters, "sizeKey", "totalSize"),
		Rows:             statistic(t.Parameters, "recordCount", "numRows"),
	}
	if s := t.StorageDescriptor; s != nil {
		serde := ""
		if s.SerdeInfo != nil {
			serde = aws.ToString(s.SerdeInfo.SerializationLibrary)
		}
		if kept.Type != TypeView {
			kept.Format = formatOf(t.Parameters, serde, aws.ToString(s.InputFormat))
			kept.Location = locationOf(aws.ToString(s.Location))
		}
		kept.ColumnCount = min(len(s.Columns), maxColumns)
		kept.Columns = columnNames(s.Columns)
	}
	return athenatrail.Reference{Kind: athenatrail.KindTable, ID: name, Answer: encode(kept)}, true
}

func typeOf(t *types.Table) string {
	kind := aws.ToString(t.TableType)
	switch {
	case t.TargetTable != nil:
		return TypeLink
	case kind == "VIRTUAL_VIEW", aws.ToBool(t.IsMultiDialectView):
		return TypeView
	case kind == "", kind == "EXTERNAL_TABLE", kind == "MANAGED_TABLE", kind == "GOVERNED":
		return TypeTable
	}
	return strings.ToLower(cleaned(kind, 40))
}

// columnNames returns the names of columns in their order; none where together
// they are longer than what is worth keeping.
func columnNames(columns []types.Column) []string {
	var names []string
	size := 0
	for i := range columns[:min(len(columns), maxColumns)] {
		name := strings.ToLower(cleaned(aws.ToString(columns[i].Name), maxName))
		if size += len(name); size > maxNames {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// statistic returns the first of the parameters that is a number: those of a
// crawler, then those of Hive.
func statistic(parameters map[string]string, names ...string) *int64 {
	for _, name := range names {
		if n, err := strconv.ParseInt(parameters[name], 10, 64); err == nil && n >= 0 {
			return &n
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
