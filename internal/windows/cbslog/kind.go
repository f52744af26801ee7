package cbslog

import "strings"

// kindOf says which program writes lines like this one, or "".
//
//	2024-01-10 09:12:01, Info                  CBS    Session: 30 initialized
//	2024/01/10 09:12:01.1234567 1234  5678  Agent           * START *
func kindOf(s string) Kind {
	if len(s) < 22 || s[0] != '2' || s[4] != s[7] {
		return ""
	}
	switch {
	case s[4] == '/' && s[13] == ':':
		return WindowsUpdate
	case s[4] != '-' || s[19] != ',':
		return ""
	}
	fields := strings.Fields(s[20:])
	if len(fields) < 2 {
		return ""
	}
	switch component := fields[1]; component {
	case "CBS", "CSI", "DPX":
		return CBS
	case "DISM", "CDISM":
		return DISM
	default:
		return Setup
	}
}
