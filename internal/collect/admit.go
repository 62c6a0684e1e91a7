package collect

import (
	"context"
	"fmt"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/forget"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/redact"
)

// An entrance is the way of facts into the lake: all that is stored of log
// files and of answers passes it. It takes out of them the SQL that is not to
// be stored, and turns away what the lake has forgotten.
type entrance struct {
	redact    *redact.Redactor
	forgotten *forget.List
}

// openEntrance reads what the lake has of its own for it. The first run that
// masks makes the lake's salt.
func (r *run) openEntrance(ctx context.Context) (err error) {
	if r.entrance.forgotten, err = forget.Load(ctx, r.Lake); err != nil {
		return err
	}
	if r.QueryText == "" || r.QueryText == redact.Full {
		return nil
	}
	salt, err := r.Lake.Salt(ctx)
	if err != nil {
		return err
	}
	r.entrance.redact = redact.New(r.QueryText, salt, r.Settings.Notes)
	return nil
}

// facts leaves of the facts of log files what may be stored.
func (in *entrance) facts(ctx context.Context, f *cloudtrail.Facts) (err error) {
	for i := range f.Events {
		in.redact.Event(&f.Events[i])
	}
	for i := range f.SessionEvents {
		in.redact.SessionEvent(&f.SessionEvents[i])
	}
	for i := range f.Texts {
		in.redact.Text(&f.Texts[i])
	}
	for _, keep := range []func() error{
		func() error { return keep(ctx, in, lake.Events, &f.Events) },
		func() error { return keep(ctx, in, lake.SessionEvents, &f.SessionEvents) },
		func() error { return keep(ctx, in, lake.RoleSessions, &f.RoleSessions) },
		func() error { return keep(ctx, in, lake.DataAccess, &f.DataAccess) },
		func() error { return keep(ctx, in, lake.QueryTexts, &f.Texts) },
	} {
		if err := keep(); err != nil {
			return fmt.Errorf("look at what the lake has forgotten: %w", err)
		}
	}
	return nil
}

// answers returns what of answers may be stored.
func (in *entrance) answers(ctx context.Context, answers []athenaapi.Answer) (details []athenatrail.Detail, texts []athenatrail.QueryText, err error) {
	for i := range answers {
		detail, sql := answers[i].Detail, ""
		if answers[i].Text != nil {
			text := *answers[i].Text
			sql = text.QueryString
			in.redact.Text(&text)
			texts = append(texts, text)
		}
		in.redact.Detail(&detail, sql)
		details = append(details, detail)
	}
	if err := keep(ctx, in, lake.Details, &details); err != nil {
		return nil, nil, err
	}
	return details, texts, keep(ctx, in, lake.QueryTexts, &texts)
}

// keep drops the rows that the lake has forgotten.
func keep[T any](ctx context.Context, in *entrance, fact *lake.Fact[T], rows *[]T) (err error) {
	*rows, err = forget.Keep(ctx, in.forgotten, fact, *rows)
	return err
}
