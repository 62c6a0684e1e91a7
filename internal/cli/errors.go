package cli

import (
	"errors"
	"strings"

	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// asUsage makes err, if there is one, a usage error.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitUsage, err}
}

// isUsage tells the errors that are the caller's, of packages that know
// nothing of exit codes, and of cobra, which has no type for them.
func isUsage(err error) bool {
	var c *config.Error
	return errors.Is(err, report.ErrUsage) || errors.Is(err, setup.ErrUsage) || errors.As(err, &c) ||
		strings.HasPrefix(err.Error(), "unknown command ") || strings.HasPrefix(err.Error(), "required flag")
}
