package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lakeformation"
	"github.com/aws/aws-sdk-go-v2/service/lakeformation/types"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// grantsAtOnce is the most that ListPermissions gives a page (Lake Formation
// API reference).
const grantsAtOnce = 1000

// Grants lists who was granted what on tables and databases of the account's
// own Data Catalog in the region of cfg (ListPermissions). AWS tells a caller
// of those permissions alone that the caller may see, and of none that come of
// a tag: a grant on tags names no table.
func Grants(ctx context.Context, cfg aws.Config) (Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	api := lakeformation.NewFromConfig(cfg, func(o *lakeformation.Options) { o.HTTPClient = boundedClient{o.HTTPClient} })
	l := Listing{Kind: athenatrail.KindGrant, From: FromLakeFormation, whole: true}
	var grants []Grant
	err := newPace().pages(ctx, func(token *string) (*string, error) {
		out, err := api.ListPermissions(ctx, &lakeformation.ListPermissionsInput{NextToken: token, MaxResults: aws.Int32(grantsAtOnce)})
		if err != nil {
			return nil, err
		}
		for i := range out.PrincipalResourcePermissions {
			if len(grants) == maxGrants {
				return nil, errFull
			}
			if g, ok := grantOf(&out.PrincipalResourcePermissions[i]); ok {
				grants = append(grants, g)
			}
		}
		return out.NextToken, nil
	})
	switch {
	case errors.Is(err, errFull):
		l.whole = false
		l.Problems = append(l.Problems, fmt.Errorf("list Lake Formation's permissions: there are more than %d: the rest is left out", maxGrants))
	case err != nil:
		return l, fmt.Errorf("list Lake Formation's permissions: %w", err)
	}
	l.References = merged(grants)
	return l, nil
}

func grantOf(p *types.PrincipalResourcePermissions) (Grant, bool) {
	g := Grant{From: FromLakeFormation}
	if p.Principal != nil {
		g.Principal = cleaned(aws.ToString(p.Principal.DataLakePrincipalIdentifier), maxText)
	}
	for _, word := range p.Permissions {
		g.Permissions = append(g.Permissions, permission(string(word)))
	}
	for _, word := range p.PermissionsWithGrantOption {
		g.Grantable = append(g.Grantable, permission(string(word)))
	}
	ok := false
	switch r := p.Resource; {
	case r == nil:
	case r.Table != nil && (r.Table.TableWildcard != nil || aws.ToString(r.Table.Name) == allTablesName):
		g.Scope = ScopeTables
		g.Resource, ok = allTables(sqlref.GlueCatalog, aws.ToString(r.Table.DatabaseName))
	case r.Table != nil:
		g.Scope = ScopeTable
		g.Resource, ok = tableName(sqlref.GlueCatalog, aws.ToString(r.Table.DatabaseName), aws.ToString(r.Table.Name))
	case r.TableWithColumns != nil && aws.ToString(r.TableWithColumns.Name) == allTablesName:
		g.Scope = ScopeTables
		g.Resource, ok = allTables(sqlref.GlueCatalog, aws.ToString(r.TableWithColumns.DatabaseName))
	case r.TableWithColumns != nil:
		g.Scope = ScopeTable
		g.Resource, ok = tableName(sqlref.GlueCatalog, aws.ToString(r.TableWithColumns.DatabaseName), aws.ToString(r.TableWithColumns.Name))
	case r.DataCellsFilter != nil:
		g.Scope = ScopeTable
		g.Resource, ok = tableName(sqlref.GlueCatalog, aws.ToString(r.DataCellsFilter.DatabaseName), aws.ToString(r.DataCellsFilter.TableName))
	case r.Database != nil:
		g.Scope = ScopeDatabase
		g.Resource, ok = allTables(sqlref.GlueCatalog, aws.ToString(r.Database.Name))
	}
	return g, ok && g.Principal != "" && len(g.Permissions) > 0
}

// allTablesName is how ListPermissions writes the wildcard beside the member
// that says so.
const allTablesName = "ALL_TABLES"

func permission(word string) string { return strings.ToUpper(cleaned(word, 40)) }
