package derive

import (
	"cmp"
	"math/bits"
	"time"

	"github.com/athenatrail/athenatrail"
)

// sessionDay returns the day on which a session has its row.
func (d *Day) sessionDay(id string, det *sparkDetail) athenatrail.Date {
	switch start := d.spark.starts[id]; {
	case start != nil:
		return start.on
	case det != nil:
		return det.Home.Date
	}
	return d.partition.Date
}

// within reports whether a calculation of that day counts for a session that
// started on from.
func within(on, from athenatrail.Date) bool { return from <= on && on <= from+SessionDays }

// count returns how many calculations of a session are known, of the day it
// started and those after.
func (d *Day) count(session string, from athenatrail.Date) int64 {
	if session == "" {
		return 0
	}
	n := int64(0)
	for id, e := range d.spark.calcs {
		if e.record.SessionID == session && e.record.CalculationExecutionID == id && within(e.on, from) {
			n++
		}
	}
	for key, det := range d.spark.details {
		if det.Kind == athenatrail.KindCalculation && det.calculation.SessionId == session && d.spark.calcs[key.id] == nil && within(det.Home.Date, from) {
			n++
		}
	}
	return n
}

// used returns the DPU time of a session's calculations, of the day it started
// and those after, and whether that of every one of them is known.
func (d *Day) used(session string, from athenatrail.Date) (millis int64, all bool) {
	all = true
	for id, e := range d.spark.calcs {
		if e.record.SessionID == session && e.record.CalculationExecutionID != "" && within(e.on, from) {
			if det := d.spark.calculation(id); !det.answered() || det.calculation.Statistics.DpuExecutionInMillis.count() < 0 {
				all = false
			}
		}
	}
	for _, det := range d.spark.details {
		if det.Kind == athenatrail.KindCalculation && det.calculation.SessionId == session && within(det.Home.Date, from) {
			if n := det.calculation.Statistics.DpuExecutionInMillis.count(); n >= 0 {
				millis = sum(millis, int64(n))
			}
		}
	}
	return millis, all
}

// share returns a part of an amount, rounded down to a billionth so that parts
// never sum up to more than the whole, or nil where it cannot be said.
func share(amount *athenatrail.Money, part, whole int64) *athenatrail.Money {
	if amount == nil || *amount < 0 || part < 0 || part > whole || whole == 0 {
		return nil
	}
	high, low := bits.Mul64(uint64(*amount), uint64(part))
	quotient, _ := bits.Div64(high, low, uint64(whole)) // at most amount, as part is at most whole
	m := athenatrail.Money(quotient)
	return &m
}

// sparkUsage counts the partition's sessions.
func (d *Day) sparkUsage(usage rollup) {
	sessions, _ := d.Spark()
	for i := range sessions {
		at := sessions[i].StartedAt
		if start := d.spark.starts[cmp.Or(sessions[i].SessionID, sessions[i].EventID)]; start != nil {
			at = start.record.EventTime
		}
		usage.spark(&sessions[i], at)
	}
}

// spark counts a session for the quarter hour of its start. Calculations are a
// part of their sessions and not counted.
func (u rollup) spark(row *athenatrail.Session, at time.Time) {
	key := athenatrail.UsageKey{
		Slot:          at.Truncate(athenatrail.SlotLength),
		Kind:          athenatrail.UsageSpark,
		Person:        row.Person,
		PersonKind:    row.PersonKind,
		PersonSource:  row.PersonSource,
		Team:          row.Team,
		RoleName:      row.RoleName,
		AccountID:     row.AccountID,
		RegionName:    row.RegionName,
		WorkGroupName: row.WorkGroupName,
		Tool:          row.Tool,
		State:         row.State,
		Gap:           row.Gap,
		CostBasis:     row.CostBasis,
		Currency:      row.Currency,
	}
	r := u.of(key)
	r.Executions++
	if dpu := row.DPUMillis; dpu != nil {
		r.Known++
		r.DPUMillis = sum(r.DPUMillis, *dpu)
	}
	if row.State == "FAILED" || row.Gap == athenatrail.GapNotStarted {
		r.Failed++
	}
	if c := row.Cost; c != nil {
		r.Cost = min(athenatrail.Money(sum(int64(r.Cost), int64(*c))), maxCost)
	}
}
