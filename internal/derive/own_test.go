package derive

import (
	"testing"

	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/price"
)

// A call is our own if both say so: who called, as configured, and the agent.
func TestOwn(t *testing.T) {
	f := func(agent string, own []string, want bool) {
		t.Helper()
		settings := newSettings(t, price.Settings{})
		for _, p := range own {
			settings.Own = append(settings.Own, glob.New(p))
		}
		d := feedDay(t, NewDay(home, settings), event(StartEvent, "e1", q1, at("10:00:00"), object{"userAgent": agent}))
		if rows, _ := d.Tables(); len(rows) != 1 || rows[0].Own != want {
			t.Errorf("agent %q, own %q: %+v, want own %t", agent, own, rows, want)
		}
	}
	rosa := "arn:aws:iam::" + account + ":user/rosa"
	f("athenatrail/1.0 aws-sdk-go-v2/1.4", []string{rosa}, true)
	f("athenatrail/1.0 aws-sdk-go-v2/1.4", []string{"arn:aws:iam::*:user/r*"}, true)
	f("athenatrail/1.0 aws-sdk-go-v2/1.4", []string{"arn:aws:iam::" + other + ":user/rosa"}, false)
	f("athenatrail/1.0 aws-sdk-go-v2/1.4", nil, false)
	f("aws-cli/2", []string{rosa}, false)
}
