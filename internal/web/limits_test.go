package web_test

import (
	"context"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/web"
)

// TestLimitsPage shows how everybody stands, what is paused and blocked now, and
// what was done, of which every text is somebody else's.
func TestLimitsPage(t *testing.T) {
	const hostile = `<script>alert(1)</script>`
	x := open(t, web.Options{
		Limits: func(context.Context, *lake.Lake) (*format.Result, error) {
			return &format.Result{View: "limits", Columns: []format.Column{{Name: "section", Kind: format.Text}, {Name: "subject", Kind: format.Text}, {Name: "used_percent", Kind: format.Percent}},
				Rows: format.RowsOf([][]any{{"people-week (enforced)", "rosa@example.com", 132.6}})}, nil
		},
		LimitActions: func(context.Context, *lake.Lake) (*format.Result, error) {
			return &format.Result{View: "limit-actions", Columns: []format.Column{{Name: "limit_name", Kind: format.Text}, {Name: "action", Kind: format.Text}, {Name: "target", Kind: format.Text}},
				Rows: format.RowsOf([][]any{{"people-week", "block", hostile}})}, nil
		},
		LimitNotes: func(context.Context, *lake.Lake) ([]string, error) {
			return []string{"blocked: rosa@example.com by people-week", "limit people-week is paused: " + hostile}, nil
		},
	})
	page := x.get("/limits").body
	for _, want := range []string{"people-week (enforced)", "rosa@example.com", "132.6", "blocked: rosa@example.com by people-week", "What was done", "&lt;script&gt;alert(1)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, hostile) {
		t.Error("a text of somebody's is markup")
	}
	if !strings.Contains(page, "athenatrail limits status --history") {
		t.Error("the page does not say which command gives the same")
	}
	if rows := x.rows("/api/v1/views/limit-actions"); len(rows) != 1 || rows[0]["target"] != hostile {
		t.Errorf("the API has %v", rows)
	}
}
