package directory

import (
	"io"
	"strings"
)

var accountsHeader = header{[]string{"account", "name", "ou"}, 2}

// ReadAccounts reads accounts from a file on disk, in the form of
// [ReadAccountsCSV]. What is wrong is reported with file and line.
func ReadAccounts(path string) ([]Account, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAccountsCSV(f, path)
}

// ReadAccountsCSV reads accounts in the order of their rows: comma-separated
// values in UTF-8 with a header line of account, name and ou, in any order and
// without one of the last two if it is not needed. Empty lines and lines that
// begin with # are passed over. Mistakes are reported as [ReadCSV] does.
func ReadAccountsCSV(r io.Reader, name string) (accounts []Account, err error) {
	lines := map[string]int{}
	err = readRows(r, name, accountsHeader, func(row *row) {
		before := row.told()
		a := Account{ID: row.get(0), Name: row.get(1), OU: row.get(2)}
		switch {
		case row.told() > before:
			return
		case a.ID == "":
			row.mistake("no account")
		case len(a.ID) < 12 && strings.Trim(a.ID, "0123456789") == "":
			row.mistake("account %q: want 12 digits with their leading zeros, which spreadsheets drop", clip(a.ID))
		case !accountForm.MatchString(a.ID):
			row.mistake("account %q: want 12 digits", clip(a.ID))
		case lines[a.ID] > 0:
			row.mistake("account %s stands in line %d already", a.ID, lines[a.ID])
		case a.Name == "" && a.OU == "":
			row.mistake("account %s has no name and no ou", a.ID)
		case a.OU != "" && !isPath(a.OU):
			row.mistake("ou %q: want names with a slash between, such as Root/Production", clip(a.OU))
		default:
			lines[a.ID] = row.line
			accounts = append(accounts, a)
		}
	})
	if err != nil {
		return nil, err
	}
	return accounts, nil
}

func isPath(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if strings.TrimSpace(part) == "" {
			return false
		}
	}
	return true
}
