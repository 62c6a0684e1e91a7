package unload

import (
	"strings"

	"github.com/athenatrail/athenatrail"
)

// statement selects a day's records that can become facts (the cloudtrail
// package says which do): all of Athena's, of STS those that issued credentials
// to somebody who is no AWS service, of Lake Formation the access to tables.
// All columns are taken, so that a table with fewer or more of them will do.
func (f *Feed) statement(d athenatrail.Date, to string) string {
	var b strings.Builder
	b.WriteString("UNLOAD (SELECT * FROM " + Table + " WHERE \"timestamp\" = " + literal(strings.ReplaceAll(d.String(), "-", "/")))
	for _, in := range []struct {
		column string
		values []string
	}{{"account", f.o.Accounts}, {"region", f.o.Regions}} {
		if len(in.values) == 0 {
			continue
		}
		var list []string
		for _, v := range in.values {
			list = append(list, literal(v))
		}
		b.WriteString(" AND " + in.column + " IN (" + strings.Join(list, ", ") + ")")
	}
	b.WriteString(" AND (eventsource = 'athena.amazonaws.com'" +
		" OR eventsource = 'sts.amazonaws.com' AND coalesce(useridentity.type, '') <> 'AWSService' AND responseelements LIKE '%accessKeyId%'" +
		" OR eventsource = 'lakeformation.amazonaws.com' AND eventname = 'GetDataAccess'))" +
		" TO " + literal(to) + " WITH (format = 'JSON')")
	return b.String()
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
