package protocompat

import (
	"fmt"
	"sort"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Descriptors are compared as sets of facts: one line per field, enum value, oneof, method and
// reservation, keyed by the declaration's full name. What only one side states is a difference, so
// a missing field, a spare one and a changed one are all found, in both directions.
type facts map[string]string

// CompareFiles returns one readable line per difference between our file and the published one.
func CompareFiles(ours, published protoreflect.FileDescriptor) []string {
	return diff(factsOfFile(ours), factsOfFile(published))
}

func diff(ours, published facts) []string {
	var out []string
	for key, theirs := range published {
		if mine, ok := ours[key]; !ok {
			out = append(out, fmt.Sprintf("%s: absent here, published as: %s", key, theirs))
		} else if mine != theirs {
			out = append(out, fmt.Sprintf("%s: here: %s, published: %s", key, mine, theirs))
		}
	}
	for key, mine := range ours {
		if _, ok := published[key]; !ok {
			out = append(out, fmt.Sprintf("%s: not published, here: %s", key, mine))
		}
	}
	sort.Strings(out)
	return out
}

func factsOfFile(file protoreflect.FileDescriptor) facts {
	f := facts{
		"package": string(file.Package()),
		"syntax":  file.Syntax().String(),
	}
	f.addEnums(file.Enums())
	f.addMessages(file.Messages())
	for i := 0; i < file.Services().Len(); i++ {
		f.addService(file.Services().Get(i))
	}
	return f
}

func (f facts) addMessages(messages protoreflect.MessageDescriptors) {
	for i := 0; i < messages.Len(); i++ {
		f.addMessage(messages.Get(i))
	}
}

func (f facts) addMessage(m protoreflect.MessageDescriptor) {
	f["message "+string(m.FullName())] = fmt.Sprintf("message, map entry %v", m.IsMapEntry())
	for i := 0; i < m.Fields().Len(); i++ {
		field := m.Fields().Get(i)
		f["field "+string(field.FullName())] = describeField(field)
	}
	for i := 0; i < m.Oneofs().Len(); i++ {
		oneof := m.Oneofs().Get(i)
		f["oneof "+string(oneof.FullName())] = fmt.Sprintf("%d fields", oneof.Fields().Len())
	}
	for i := 0; i < m.ReservedRanges().Len(); i++ {
		r := m.ReservedRanges().Get(i)
		f[fmt.Sprintf("reserved %s %d to %d", m.FullName(), r[0], r[1]-1)] = "reserved"
	}
	for i := 0; i < m.ReservedNames().Len(); i++ {
		f[fmt.Sprintf("reserved %s %q", m.FullName(), m.ReservedNames().Get(i))] = "reserved"
	}
	f.addEnums(m.Enums())
	f.addMessages(m.Messages())
}

func (f facts) addEnums(enums protoreflect.EnumDescriptors) {
	for i := 0; i < enums.Len(); i++ {
		e := enums.Get(i)
		f["enum "+string(e.FullName())] = "enum"
		for j := 0; j < e.Values().Len(); j++ {
			v := e.Values().Get(j)
			f[fmt.Sprintf("enum value %s.%s", e.FullName(), v.Name())] = fmt.Sprint(v.Number())
		}
		for j := 0; j < e.ReservedRanges().Len(); j++ {
			r := e.ReservedRanges().Get(j)
			f[fmt.Sprintf("reserved %s %d to %d", e.FullName(), r[0], r[1])] = "reserved"
		}
		for j := 0; j < e.ReservedNames().Len(); j++ {
			f[fmt.Sprintf("reserved %s %q", e.FullName(), e.ReservedNames().Get(j))] = "reserved"
		}
	}
}

func (f facts) addService(s protoreflect.ServiceDescriptor) {
	f["service "+string(s.FullName())] = "service"
	for i := 0; i < s.Methods().Len(); i++ {
		m := s.Methods().Get(i)
		f["rpc "+string(m.FullName())] = fmt.Sprintf("(%s%s) returns (%s%s)",
			stream(m.IsStreamingClient()), m.Input().FullName(),
			stream(m.IsStreamingServer()), m.Output().FullName())
	}
}

func describeField(field protoreflect.FieldDescriptor) string {
	s := fmt.Sprintf("%s %s", field.Cardinality(), field.Kind())
	if m := field.Message(); m != nil {
		s += " " + string(m.FullName())
	}
	if e := field.Enum(); e != nil {
		s += " " + string(e.FullName())
	}
	s += fmt.Sprintf(" = %d", field.Number())
	if field.IsPacked() {
		s += ", packed"
	}
	if field.HasPresence() {
		s += ", with presence"
	}
	if o := field.ContainingOneof(); o != nil {
		s += ", in oneof " + string(o.Name())
	}
	return s
}

func stream(streaming bool) string {
	if streaming {
		return "stream "
	}
	return ""
}
