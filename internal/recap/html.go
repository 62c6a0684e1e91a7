package recap

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"

	"github.com/athenatrail/athenatrail/internal/format"
)

//go:embed digest.html
var digestHTML string

var page = template.Must(template.New("digest.html").Parse(digestHTML))

// HTML is the digest as a fragment for a mail, with styles in its elements,
// because mail clients drop others. Picture returns where a picture is found,
// by its name, such as cid:digest-bars.
func (r *Recap) HTML(pictures []Picture, source func(Picture) string) (string, error) {
	type tile struct{ Name, Value, Change string }
	type line struct{ Name, Value, Change, Note string }
	type finding struct{ Who, Rule, Saving, What, Fix string }
	type image struct {
		Source template.URL
		Alt    string
		Width  int
	}
	var data struct {
		Title, Before, Complete, CouldSave, Found string
		Tiles                                     []tile
		People, Teams, AtRisk                     []line
		Findings                                  []finding
		Pictures                                  []image
	}
	data.Title, data.Before, data.Complete, data.CouldSave = r.When(), r.Before(), r.Complete(), r.couldSave()
	data.Found = format.Counted(int64(r.Found), "finding")
	for _, t := range r.Totals {
		data.Tiles = append(data.Tiles,
			tile{"cost", money(t.Cost, t.Currency), change(rat(t.Cost), rat(t.CostBefore))},
			tile{"scanned", format.HumanBytes(t.Scanned), change(whole(t.Scanned), whole(t.ScannedBefore))},
			tile{"queries", format.Counted(t.Executions), change(whole(t.Executions), whole(t.ExecutionsBefore))},
			tile{"failed", format.Counted(t.Failed), ""})
	}
	lines := func(moves []Move) (list []line) {
		for _, m := range moves {
			list = append(list, line{short(m.Name, 60), money(m.Cost, m.Currency), m.difference(), m.note()})
		}
		return list
	}
	data.People, data.Teams = lines(r.People), lines(r.Teams)
	for _, k := range r.AtRisk {
		note := k.Limit + ": " + k.Used + " of " + k.Allowed
		if k.Forecast != "" {
			note += ", " + k.Forecast + " foreseen"
		}
		data.AtRisk = append(data.AtRisk, line{short(k.Who, 60), fmt.Sprintf("%.1f %%", k.Percent), k.State, note})
	}
	for _, f := range r.Findings {
		saving := ""
		if f.Saving != "" {
			saving = "could save " + money(f.Saving, f.Currency)
		}
		data.Findings = append(data.Findings, finding{short(f.Person, 60), f.Rule, saving, short(f.What, 300), short(f.Fix, 300)})
	}
	for _, p := range pictures {
		data.Pictures = append(data.Pictures, image{template.URL(source(p)), p.Alt, p.Width})
	}
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		return "", fmt.Errorf("digest as HTML: %w", err)
	}
	return out.String(), nil
}
