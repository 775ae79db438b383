// Notes in a cookie, for an hour, what the visit holds. Data: name, value ("" for nothing).

export default function ({ data }) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${data.name}=${data.value}; Path=/; SameSite=Lax; Max-Age=${data.value ? 3600 : 0}${secure}`;
}
