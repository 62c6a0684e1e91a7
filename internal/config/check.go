package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/spelling"
)

var (
	accountForm    = regexp.MustCompile(`^[0-9]{12}$`)
	shortAccount   = regexp.MustCompile(`^[0-9]{1,11}$`)
	regionForm     = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$`)
	roleForm       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}|\{account\}):role/[\w+=,.@/-]{1,600}$`)
	bucketForm     = regexp.MustCompile(`^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$`)
	externalIDForm = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
	currencyForm   = regexp.MustCompile(`^[A-Z]{3}$`)
	schemeForm     = regexp.MustCompile(`^[a-z0-9+.-]{2,}:`)
)

func someText(text string) string {
	if text == "" || len(text) > 2048 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "a text of one line"
	}
	return ""
}

func accountID(text string) string {
	switch {
	case accountForm.MatchString(text):
		return ""
	case shortAccount.MatchString(text):
		whole := strings.Repeat("0", 12-len(text)) + text
		return fmt.Sprintf("12 digits; leading zeros belong to it, in quotes: %q", whole)
	}
	return `12 digits in quotes, such as "111122223333"`
}

func region(text string) string {
	if !regionForm.MatchString(text) {
		return "a region such as eu-west-1"
	}
	return ""
}

func regionOrAll(text string) string {
	if text == "all" || region(text) == "" {
		return ""
	}
	return "a region such as eu-west-1, or all"
}

func regionOrAny(text string) string {
	if text == "*" || region(text) == "" {
		return ""
	}
	return "a region such as eu-west-1, or * for all"
}

func day(text string) string {
	if _, err := athenatrail.ParseDate(text); err != nil {
		return "a day such as 2026-11-03"
	}
	return ""
}

func amount(text string) string {
	if _, err := athenatrail.ParseMoney(text); err != nil {
		return "a decimal such as 5 or 6.75, with at most 9 digits behind the point"
	}
	return ""
}

func roleARN(text string) string {
	if !roleForm.MatchString(text) || strings.Contains(text, "{") {
		return "a role's ARN such as arn:aws:iam::111122223333:role/athenatrail-reader"
	}
	return ""
}

func roleTemplate(text string) string {
	if !roleForm.MatchString(text) || !strings.Contains(text, "{account}") {
		return "a role's ARN with {account} for the account id, such as arn:aws:iam::{account}:role/athenatrail-reader"
	}
	return ""
}

// arnPattern refuses what can match no ARN.
func arnPattern(text string) string {
	if someText(text) != "" || !strings.HasPrefix(text, "arn:") && !strings.HasPrefix(text, "*") {
		return "an ARN such as arn:aws:iam::111122223333:role/athenatrail, in which * and ? may stand"
	}
	return ""
}

// roleAccount returns the account in a role's ARN.
func roleAccount(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

func lakeName(text string) string {
	if bucketForm.MatchString(text) || someText(text) == "" && !schemeForm.MatchString(text) {
		return ""
	}
	return "a folder or s3://bucket[/prefix]"
}

// ouPath takes the path of an organizational unit.
func ouPath(text string) string {
	for part := range strings.SplitSeq(text, "/") {
		if strings.TrimSpace(part) == "" || someText(part) != "" {
			return "names with a slash between, such as Root/Production"
		}
	}
	return ""
}

func oneOf(values ...string) check {
	return func(text string) string {
		for _, v := range values {
			if text == v {
				return ""
			}
		}
		return strings.Join(values, " or ")
	}
}

func matching(form *regexp.Regexp, want string) check {
	return func(text string) string {
		if form.MatchString(text) {
			return ""
		}
		return want
	}
}

// unknownKey is the message for a key that is not among known.
func unknownKey(key string, known []string) string {
	if near := nearest(key, known, 3); near != "" {
		return fmt.Sprintf("unknown key %q: did you mean %s?", clip(key), near)
	}
	return fmt.Sprintf("unknown key %q: want one of %s", clip(key), strings.Join(known, ", "))
}

// nearest returns the known word that key is probably meant to be, at most so
// many letters away, or "".
func nearest(key string, known []string, most int) string {
	key = strings.ToLower(strings.ReplaceAll(key, "-", "_"))
	best, least := "", max(1, min(most, len(key)/2))+1
	for _, k := range known {
		if d := spelling.Distance(key, k); d < least {
			best, least = k, d
		}
	}
	return best
}
