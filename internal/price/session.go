package price

import "github.com/athenatrail/athenatrail"

// millisPerHour is what DPU time, in milliseconds, is divided by.
const millisPerHour = 3_600_000

// Session returns the cost of a session of Athena for Apache Spark that
// started on day and has used dpuMillis, GetSession's DpuExecutionInMillis:
// that time times the region's price of a DPU-hour, rounded half up to a
// billionth, once. Nothing can be said without the DPU time.
func (t *Table) Session(region string, day athenatrail.Date, dpuMillis *int64) Cost {
	if dpuMillis == nil || *dpuMillis < 0 {
		return Cost{}
	}
	amount, currency, custom, priced := t.Spark(region, day)
	total, ok := amount.MulDiv(*dpuMillis, millisPerHour)
	if !priced || !ok || total > maxCost {
		return Cost{Basis: athenatrail.BasisUnpriced}
	}
	cost := Cost{Amount: &total, Currency: currency, Basis: athenatrail.BasisList}
	if custom {
		cost.Basis = athenatrail.BasisCustom
	}
	return cost
}
