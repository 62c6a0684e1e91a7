package export

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// focusSet has the mandatory columns of FOCUS 1.2 (FinOps Open Cost and Usage
// Specification), those conditional ones that Athena has something for, and
// two of our own, with the prefix that the specification asks of such. A row
// is one execution as a charge, so a call that started nothing is none. Costs
// are computed from bytes and prices: estimates, until the invoice comes.
var focusSet = set{
	name: Focus,
	columns: []Column{
		{Name: "BilledCost", kind: money, value: cost},
		{Name: "BillingAccountId", value: null}, // who pays is not in a trail
		{Name: "BillingAccountName", value: null},
		{Name: "BillingCurrency", value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.Currency) })},
		{Name: "BillingPeriodEnd", kind: moment, value: query(func(q *athenatrail.QueryExecution) any { return monthOf(q).AddDate(0, 1, 0) })},
		{Name: "BillingPeriodStart", kind: moment, value: query(func(q *athenatrail.QueryExecution) any { return monthOf(q) })},
		{Name: "ChargeCategory", value: constant("Usage")},
		{Name: "ChargeClass", value: null}, // "Correction" or nothing
		{Name: "ChargeDescription", value: query(describe)},
		{Name: "ChargeFrequency", value: constant("Usage-Based")},
		{Name: "ChargePeriodEnd", kind: moment, value: query(func(q *athenatrail.QueryExecution) any { return hourOf(q).Add(time.Hour) })},
		{Name: "ChargePeriodStart", kind: moment, value: query(func(q *athenatrail.QueryExecution) any { return hourOf(q) })},
		{Name: "ConsumedQuantity", kind: int64s, value: query(func(q *athenatrail.QueryExecution) any { return orNullPointer(q.DataScannedBytes) })},
		{Name: "ConsumedUnit", value: query(func(q *athenatrail.QueryExecution) any { return unitOf(q.DataScannedBytes) })},
		{Name: "ContractedCost", kind: money, value: cost},
		{Name: "EffectiveCost", kind: money, value: cost},
		{Name: "InvoiceIssuerName", value: constant("AWS")},
		{Name: "ListCost", kind: money, value: query(listCost)},
		{Name: "PricingQuantity", kind: int64s, value: query(func(q *athenatrail.QueryExecution) any { return orNullPointer(q.BilledBytes) })},
		{Name: "PricingUnit", value: query(func(q *athenatrail.QueryExecution) any { return unitOf(q.BilledBytes) })},
		{Name: "ProviderName", value: constant("AWS")},
		{Name: "PublisherName", value: constant("AWS")},
		{Name: "RegionId", value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.RegionName) })},
		{Name: "ResourceId", value: query(workGroupARN)},
		{Name: "ResourceName", value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.WorkGroupName) })},
		{Name: "ResourceType", value: query(func(q *athenatrail.QueryExecution) any {
			if q.WorkGroupName == "" {
				return nil
			}
			return "workgroup"
		})},
		{Name: "ServiceCategory", value: constant("Analytics")},
		{Name: "ServiceName", value: constant("Amazon Athena")},
		{Name: "SubAccountId", value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.AccountID) })},
		{Name: "Tags", value: query(tags)},
		{Name: "x_CostBasis", value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.CostBasis) })},
		{Name: "x_QueryExecutionId", value: query(func(q *athenatrail.QueryExecution) any { return orNull(q.QueryExecutionID) })},
	},
	whole: true,
	file:  func(Hour) string { return "focus" },
	keep:  func(row any) bool { return row.(*athenatrail.QueryExecution).Gap != athenatrail.GapNotStarted },
}

func null(any) any { return nil }

func constant(s string) func(any) any { return func(any) any { return s } }

func cost(row any) any { return orNullPointer(row.(*athenatrail.QueryExecution).Cost) }

// listCost is the cost where it was computed from AWS's list price, or is
// nothing at any price.
func listCost(q *athenatrail.QueryExecution) any {
	if q.CostBasis != athenatrail.BasisList && q.CostBasis != athenatrail.BasisFree {
		return nil
	}
	return orNullPointer(q.Cost)
}

// unitOf is FOCUS's name of a byte, where there is a quantity.
func unitOf(bytes *int64) any {
	if bytes == nil {
		return nil
	}
	return "B"
}

func hourOf(q *athenatrail.QueryExecution) time.Time {
	return q.SubmissionDateTime.UTC().Truncate(time.Hour)
}

func monthOf(q *athenatrail.QueryExecution) time.Time {
	year, month, _ := q.SubmissionDateTime.UTC().Date()
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}

func describe(q *athenatrail.QueryExecution) any {
	statement := "statement"
	if kind := strings.TrimSpace(q.StatementType + " " + q.SubstatementType); kind != "" {
		statement = kind
	}
	return "Athena SQL, " + statement + ", estimated from data scanned"
}

// workGroupARN names the work group, as AWS's own cost reports name what an
// Athena query is charged to.
func workGroupARN(q *athenatrail.QueryExecution) any {
	if q.WorkGroupName == "" {
		return nil
	}
	partition := "aws"
	switch {
	case strings.HasPrefix(q.RegionName, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(q.RegionName, "us-gov-"):
		partition = "aws-us-gov"
	}
	return "arn:" + partition + ":athena:" + q.RegionName + ":" + q.AccountID + ":workgroup/" + q.WorkGroupName
}

// tags is what costs are split by, as a JSON object.
func tags(q *athenatrail.QueryExecution) any {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Person     string `json:"person,omitempty"`
		PersonKind string `json:"person_kind,omitempty"`
		Team       string `json:"team,omitempty"`
		Tool       string `json:"tool,omitempty"`
		Role       string `json:"role_name,omitempty"`
		Database   string `json:"database_name,omitempty"`
	}{q.Person, q.PersonKind, q.Team, q.Tool, q.RoleName, q.DatabaseName})
	if err != nil { // texts can always be written
		return nil
	}
	return strings.TrimSuffix(b.String(), "\n")
}
