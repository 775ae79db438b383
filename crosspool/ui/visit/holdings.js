// Notes in a cookie, until the browser is closed, what the visit holds. Data: name, value ("" for nothing).

export default function ({ data }) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const end = data.value ? "" : "; Max-Age=0";
  document.cookie = `${data.name}=${data.value}; Path=/; SameSite=Lax${end}${secure}`;
}
