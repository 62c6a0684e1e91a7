package price

import "github.com/athenatrail/athenatrail"

// listed is AWS's list price of SQL on demand, of Spark and of reserved
// capacity, as far as a public source for it was found; what has none is left
// out, for a wrong price is worse than [athenatrail.BasisUnpriced]. Each entry
// ends with what it rests on:
//
//	A  AWS's own price file for its calculator, published 2019-12-13, indexed
//	   2020-03-13, as kept in github.com/uber/athenadriver go/cost.go
//	L  excerpts of the AWS price list, 2024 to 2026 (usage types DataScannedInTB,
//	   CodeExecutionInDPUHours, ReservedCapacityInDPUHours)
//	P  the pricing page's text, "5 USD per TB", which names no region
//
// No announcement of a changed price was found, so an entry is taken to hold
// from the day the service began: SQL on 2016-11-30.
var listed = []struct{ region, sql, spark, capacity string }{
	{"us-east-1", "5", "0.35", "0.30"},  // A, L, P; Spark and capacity L
	{"us-east-2", "5", "", ""},          // A
	{"us-west-1", "6.75", "", ""},       // A
	{"us-west-2", "5", "", ""},          // A
	{"us-gov-east-1", "5", "", ""},      // A
	{"us-gov-west-1", "5", "", ""},      // A
	{"ca-central-1", "5.5", "", ""},     // A
	{"sa-east-1", "9", "", ""},          // A
	{"eu-central-1", "5", "", ""},       // A
	{"eu-north-1", "5", "", ""},         // A
	{"eu-west-1", "5", "", ""},          // A, L
	{"eu-west-2", "5", "", ""},          // A
	{"eu-west-3", "7", "", ""},          // A
	{"ap-east-1", "5.5", "", ""},        // A
	{"ap-northeast-1", "5", "", ""},     // A, L
	{"ap-northeast-2", "5", "", ""},     // A
	{"ap-south-1", "5", "", ""},         // A, L
	{"ap-southeast-1", "5", "0.45", ""}, // A, L; Spark L
	{"ap-southeast-2", "5", "", ""},     // A
	{"me-south-1", "6.5", "", ""},       // A
	{"cn-northwest-1", "34.34", "", ""}, // L, in CNY
}

// listedFrom is the day Athena began (AWS News Blog, 2016-11-30).
const listedFrom = "2016-11-30"

// list returns the entries of listed as prices.
func list() []Price {
	from, err := athenatrail.ParseDate(listedFrom)
	if err != nil {
		panic(err)
	}
	amount := func(s string) *athenatrail.Money {
		if s == "" {
			return nil
		}
		m, err := athenatrail.ParseMoney(s)
		if err != nil {
			panic(err)
		}
		return &m
	}
	prices := make([]Price, len(listed))
	for i, e := range listed {
		prices[i] = Price{
			Region: e.region, From: from, Currency: defaultCurrency(e.region),
			SQLPerTB: amount(e.sql), SparkPerDPUHour: amount(e.spark), CapacityPerDPUHour: amount(e.capacity),
		}
	}
	return prices
}
