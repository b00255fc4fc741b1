//go:build tools

// Package tools names the load generator that ./ycsb builds, so that its version stands in go.mod.
package tools

import _ "github.com/pingcap/go-ycsb/cmd/go-ycsb"
